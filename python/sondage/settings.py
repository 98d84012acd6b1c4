"""The settings of a run, kept with its answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, cast

from sondage.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

#: Fields that answers of earlier versions do not have.
_LATER: dict[str, object] = {"temperatures": ()}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `ask` ran with; plain data that JSON can hold.

    Parameters
    ----------
    draws, chains, warmup, thin, threads : int
    temperature : float
    kernel : str
        The kernel used.
    kernel_requested : str
        What was asked for, possibly "auto".
    kernel_reason : str
        Why this kernel.
    boundary : str
    seed : int
        The entropy; as a seed it gives the same draws again.
    max_seconds : float or None
    versions : dict of str
        Of sondage, Python and the libraries that took part.
    build : dict of str
        How the core was compiled.
    created : str
        When, in ISO 8601, UTC.
    temperatures : tuple of float
        Where several were answered in one run, all of them in the order asked for; else empty.
    """

    draws: int
    chains: int
    temperature: float
    kernel: str
    kernel_requested: str
    kernel_reason: str
    warmup: int
    thin: int
    boundary: str
    seed: int
    threads: int
    max_seconds: float | None
    versions: dict[str, str]
    build: dict[str, str]
    created: str
    temperatures: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON; the seed as text, for it may exceed 64 bits.

        Returns
        -------
        dict
        """
        data = asdict(self)
        data["seed"] = str(self.seed)
        data["temperatures"] = list(self.temperatures)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Settings:
        """Rebuild from `to_dict`'s data; fields of later versions are ignored.

        Raises
        ------
        DataError
            If a field is missing or the seed is no number.
        """
        known = {entry.name: data[entry.name] for entry in fields(cls) if entry.name in data}
        missing = [entry.name for entry in fields(cls) if entry.name not in known | _LATER]
        if missing:
            raise DataError(f"the settings lack {', '.join(missing)}")
        known["temperatures"] = tuple(cast("list[float]", known.get("temperatures", [])))
        try:
            known["seed"] = int(cast("str", data["seed"]))
        except (TypeError, ValueError):
            raise DataError(f"the settings' seed {data['seed']!r} is not a whole number") from None
        return cls(**known)  # type: ignore[arg-type]
