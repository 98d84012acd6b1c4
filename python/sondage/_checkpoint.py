"""Checkpoints of runs: one file that is always whole, and is refused where it is not this run's.

A line with the version of the format, the length of a JSON header, the header (what run this is),
the state of the core, and a SHA-256 of all before it. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sondage._core import build_info
from sondage.errors import SamplingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sondage._core import Run
    from sondage._evaluation import Evaluation
    from sondage._question import Question
    from sondage.settings import Settings
    from sondage.space import Space

__all__ = ["Checkpoint", "Keeper", "identity"]

_NAME = b"sondage checkpoint "
_VERSION = b"1"
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8
#: Seconds from one to the next, at least; longer where writing one would take a tenth of the time.
_APART = 1.0
_SHARE = 0.1
#: Rows at which G is compared.
_ROWS = 100
#: Of what is not said in full, what errors say where it differs.
_DIFFER = {
    "space": "the space is another one",
    "start": "the rows of start are others",
    "values": "G at rows of the space differs, and so what the question holds",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that a run is kept in.

    Attributes
    ----------
    path : Path
    of : mapping or None
        Which run it holds, as `identity` says; None where there is no file yet.
    threads : int
        That the run began with: they decide which chains go together.
    state : bytes
        Of the core.
    """

    path: Path
    of: Mapping[str, object] | None = None
    threads: int = 0
    state: bytes = b""

    @classmethod
    def at(cls, given: str | os.PathLike[str]) -> Checkpoint:
        """Read a checkpoint, if there is one.

        Raises
        ------
        SamplingError
            If the file cannot be read, is no whole checkpoint, or has no folder to be written to.
        """
        try:
            path = Path(given)
        except TypeError:
            raise SamplingError(
                f"checkpoint={given!r} must be the path of a file, or None"
            ) from None
        if not path.parent.is_dir():
            raise SamplingError(f"checkpoint: {path}: the folder {path.parent} does not exist")
        if path.is_dir():
            raise SamplingError(f"checkpoint: {path}: this is a folder; name a file")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise SamplingError(f"checkpoint: {path} cannot be read: {error}") from error
        try:
            return cls._of_bytes(path, data)
        except ValueError as error:
            raise SamplingError(f"checkpoint: {path} {error}; {_UNTOUCHED}") from None

    @classmethod
    def _of_bytes(cls, path: Path, data: bytes) -> Checkpoint:
        line, newline, rest = data.partition(b"\n")
        if not (newline and line.startswith(_NAME)):
            raise ValueError("is not a checkpoint of sondage, or its beginning is damaged")
        if line != _NAME + _VERSION:
            found = line[len(_NAME) :].decode(errors="replace")
            raise ValueError(
                f"has version {found!r} of the format, and this sondage reads {_VERSION.decode()!r}"
            )
        if len(rest) < _LENGTH + _DIGEST or _digest(data[:-_DIGEST]) != data[-_DIGEST:]:
            raise ValueError("is damaged or was cut off (its SHA-256 differs)")
        length = int.from_bytes(rest[:_LENGTH], "little")
        body = rest[_LENGTH:-_DIGEST]
        try:
            header = cast("dict[str, Any]", json.loads(body[:length]))
            return cls(path, dict(header["run"]), int(header["threads"]), body[length:])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"has a header that cannot be read ({error!r})") from None

    def seed(
        self, given: int | np.random.SeedSequence | None
    ) -> int | np.random.SeedSequence | None:
        """Return the seed to run with: its own where none is given."""
        if given is not None or self.of is None:
            return given
        return int(str(self.of["seed"]))

    def require(self, own: Mapping[str, object]) -> None:
        """Refuse the checkpoint of another run.

        Raises
        ------
        SamplingError
            Says what differs.
        """
        if self.of is None or self.of == own:
            return
        names = [name for name in own if self.of.get(name) != own[name]]
        if "values" in names and len(names) > 1:
            names.remove("values")
        differ = [_difference(name, self.of.get(name), own[name]) for name in names]
        raise SamplingError(
            f"checkpoint: {self.path} is of another run: {'; '.join(differ)}. Resume it with the "
            f"arguments that it began with, or name another file; {_UNTOUCHED}"
        )

    def keeper(self, run: Run, own: Mapping[str, object], threads: int) -> Keeper:
        """Return what keeps a run in the file; the run first goes to where the file says it was.

        Raises
        ------
        SamplingError
            If the core cannot go on from the state.
        """
        if self.of is not None:
            try:
                run.restore(self.state)
            except SamplingError as error:
                raise SamplingError(
                    f"checkpoint: {self.path} cannot be resumed here: {error}; {_UNTOUCHED}"
                ) from None
        header = json.dumps({"run": own, "threads": threads}, ensure_ascii=False).encode()
        return Keeper(run, self.path, header, exists=self.of is not None)


_UNTOUCHED = "the file was left as it is"


class Keeper:
    """Keeps a run in a file, now and then.

    Parameters
    ----------
    run : Run
    path : Path
    header : bytes
    exists : bool
        Whether the file does.
    """

    def __init__(self, run: Run, path: Path, header: bytes, *, exists: bool) -> None:
        self._run = run
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._header = header
        self._exists = exists
        self._due = time.monotonic() + _APART
        self._broken = False

    def __call__(self) -> None:
        """Write the state, if the last one is a while ago.

        Raises
        ------
        SamplingError
            If the file cannot be written.
        """
        if time.monotonic() >= self._due:
            self.write()

    def end(self, *, complete: bool) -> None:
        """Write the last state; where models have yet to confirm it, only of a long run.

        Raises
        ------
        SamplingError
            If the file cannot be written.
        """
        if not complete or self._exists or time.monotonic() >= self._due:
            self.write()

    def leave(self, error: BaseException) -> None:
        """Write the state of a run that an error stopped; a note says if that fails too."""
        if self._broken:
            return
        try:
            self.write()
        except SamplingError as own:
            error.add_note(str(own))

    def remove(self) -> None:
        """Remove the file of a run whose answer is made."""
        self._part.unlink(missing_ok=True)
        if self._exists:
            self._path.unlink(missing_ok=True)

    def write(self) -> None:
        """Put the present state in the place of the last one, if the run can be left now.

        Raises
        ------
        SamplingError
            If the file cannot be written: the last one stays.
        """
        began = time.monotonic()
        state = self._run.save()
        if state is None:
            return
        try:
            self._replace(state)
        except OSError as error:
            self._broken = True
            raise SamplingError(
                f"checkpoint: {self._path} cannot be written: {error.strerror or error}"
            ) from error
        self._exists = True
        now = time.monotonic()
        self._due = now + max(_APART, (now - began) / _SHARE)

    def _replace(self, state: bytes) -> None:
        parts = [_NAME, _VERSION, b"\n", len(self._header).to_bytes(_LENGTH, "little")]
        digest = hashlib.sha256()
        try:
            with self._part.open("wb") as stream:
                for part in (*parts, self._header, state):
                    digest.update(part)
                    stream.write(part)
                stream.write(digest.digest())
                stream.flush()
                os.fsync(stream.fileno())
            self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)
        if os.name == "posix":
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def identity(
    question: Question,
    space: Space,
    evaluation: Evaluation,
    settings: Settings,
    start: NDArray[np.float64] | None,
) -> dict[str, object]:
    """Say which run this is, in plain data: two that say the same draw the same.

    Models are told apart by their parameters; those of other libraries, and functions, by name.
    """
    from sondage.persistence import space_to_json

    own = {
        "sondage": build_info()["version"],
        "question": repr(question),
        "models": {
            f"{number} {model.name}": model.fingerprint
            for number, model in enumerate(question.models)
        },
        "space": json.dumps(space_to_json(space), default=repr),
        "kernel": settings.kernel,
        "temperature": list(settings.temperatures) or settings.temperature,
        "draws": settings.draws,
        "chains": settings.chains,
        "warmup": settings.warmup,
        "thin": settings.thin,
        "boundary": settings.boundary,
        "seed": str(settings.seed),
        "start": None if start is None else _digest(start.tobytes()).hex(),
        "values": _values(evaluation),
    }
    return cast("dict[str, object]", json.loads(json.dumps(own)))


def _values(evaluation: Evaluation) -> str | None:
    """Return a digest of G at some rows; None where that would call the user's models."""
    if evaluation.outside is not None:
        return None
    rows = evaluation.energy.base_rows(bytes(32), 0, _ROWS)
    return _digest(rows.tobytes() + evaluation(rows).tobytes()).hex()


def _difference(name: str, there: object, here: object) -> str:
    if name == "models" and isinstance(there, dict) and isinstance(here, dict):
        if list(there) != list(here):
            return "the models are others"
        changed = [repr(key.partition(" ")[2]) for key in here if here[key] != there[key]]
        return f"the parameters of {' and '.join(changed)} are others"
    said = "the version of sondage" if name == "sondage" else name
    return _DIFFER.get(name, f"{said} is {there} there and {here} here")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
