"""Opening model files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sondage.errors import MissingDependencyError, ModelError
from sondage.frames import listed
from sondage.models.catboost import CatBoostFile
from sondage.models.lightgbm import LightGbmFile
from sondage.models.xgboost import XGBoostFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

__all__ = ["FORMATS", "Format", "open_model"]

_MOST_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of model file.

    Parameters
    ----------
    name : str
        For messages.
    suffixes : tuple of str
    matches : callable
        Whether bytes of such a suffix are of this format, by a quick look.
    opened : callable
        From bytes and path to an object that the registry has an adapter for.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], bool]
    opened: Callable[[bytes, str], object]


def _opened_skops(data: bytes, path: str) -> object:
    """Return the scikit-learn model in a skops file; nothing unknown to skops is run."""
    try:
        from skops.io import get_untrusted_types, loads
    except ImportError as error:
        raise MissingDependencyError(
            f"{path} needs skops to be read: pip install 'sondage[skops]'"
        ) from error
    try:
        unknown = get_untrusted_types(data=data)
        if not unknown:
            return loads(data)
    except Exception as error:  # whatever a broken archive makes it raise
        raise ModelError(f"{path} is not a readable skops file: {error}") from error
    raise ModelError(
        f"{path} holds types that skops does not trust ({listed(unknown)}); load it yourself, if "
        "you trust it, and pass the model"
    )


FORMATS: tuple[Format, ...] = (
    Format(
        name="XGBoost JSON",
        suffixes=(".json",),
        matches=lambda data: b'"learner"' in data,
        opened=XGBoostFile,
    ),
    Format(
        name="XGBoost UBJSON",
        suffixes=(".ubj",),
        matches=lambda data: data[:1] == b"{",
        opened=XGBoostFile,
    ),
    Format(
        name="LightGBM text",
        suffixes=(".txt",),
        matches=lambda data: data.startswith((b"tree\n", b"tree\r\n")),
        opened=LightGbmFile,
    ),
    Format(
        name="CatBoost JSON",
        suffixes=(".json",),
        matches=lambda data: b'"features_info"' in data,
        opened=CatBoostFile,
    ),
    Format(
        name="scikit-learn in skops",
        suffixes=(".skops",),
        matches=lambda data: data.startswith(b"PK"),
        opened=_opened_skops,
    ),
)


def open_model(path: str | PathLike[str]) -> object:
    """Read a model file.

    Parameters
    ----------
    path : path
        Its suffix says what it is, and where that is not enough its first words.

    Returns
    -------
    object
        Something that the registry has an adapter for.

    Raises
    ------
    ModelError
        If there is no such file, or it is of no known format; names the formats.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    candidates = [known for known in FORMATS if suffix in known.suffixes]
    if not candidates:
        readable = ", ".join(f"{own.name} ({', '.join(own.suffixes)})" for own in FORMATS)
        pickled = suffix in (".pkl", ".pickle", ".joblib", ".skops")
        hint = "; load it with the library that wrote it and pass the model" if pickled else ""
        raise ModelError(f"{path} is no model file that can be read: {readable}{hint}")
    try:
        if not path.is_file():
            raise ModelError(f"{path} is not a file")
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ModelError(f"{path} has {size} bytes; model files have up to {_MOST_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    for known in candidates:
        if known.matches(data):
            return known.opened(data, str(path))
    names = ", ".join(own.name for own in candidates)
    raise ModelError(f"{path} is not what its suffix says: {names}")
