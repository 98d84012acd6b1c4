"""Save an answer to one Parquet file and read it back bit by bit.

The table is `Answer.frame`, so any Parquet reader can use it; latent rows stand in columns behind
it. The rest is one JSON document in the
file's key-value metadata under the key ``sondage``: schema version, space, settings, statistics,
status, the question in words, and a SHA-256 of the arrays, checked on reading. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sondage._constraints import from_json as constraint_from_json
from sondage._encoding import encode
from sondage.columns import Categorical, Continuous, Fixed, Integer
from sondage.errors import DataError
from sondage.reference._saving import from_json, to_json
from sondage.run_statistics import RunStatistics
from sondage.settings import Settings
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sondage.answer import Answer
    from sondage.columns import Column

__all__ = [
    "SCHEMA",
    "SavedQuestion",
    "fingerprint",
    "read_answer",
    "save_answer",
    "space_to_json",
    "write_atomic",
]

SCHEMA = 1
KEY = "sondage"


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """The question of a saved answer: its words, without its models.

    Parameters
    ----------
    text : str
        What `Question.describe` said.
    repr : str
        The expression that made it.
    """

    text: str
    repr: str

    def describe(self) -> str:
        """Return the question in words.

        Examples
        --------
        >>> SavedQuestion("Where is the forest unsure?", "...").describe()
        'Where is the forest unsure?'
        """
        return self.text


def save_answer(answer: Answer, path: str | Path) -> Path:
    """Write `answer` to `path`, replacing it only once the file is whole; see `Answer.save`."""
    from sondage._variational_answer import VariationalAnswer

    target = Path(path)
    question = answer.question
    document = {
        "schema": SCHEMA,
        "space": space_to_json(answer.space),
        "settings": answer.settings.to_dict(),
        "statistics": answer.statistics.to_dict(),
        "status": answer.status,
        "question": {
            "text": question.describe(),
            "repr": question.repr if isinstance(question, SavedQuestion) else repr(question),
        },
        "shape": list(answer.draws.shape),
        "sha256": fingerprint(answer),
    }
    frame = answer.frame
    if answer.latents is not None:
        latents = _latent_columns(answer.latents, frame.columns)
        document["latents"] = latents.columns
        frame = frame.hstack(latents)
    if isinstance(answer, VariationalAnswer):
        document["variational"] = answer.to_json()
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    write_atomic(target, lambda part: frame.write_parquet(part, metadata={KEY: text}))
    return target


def read_answer(path: str | Path) -> Answer:
    """Read what `save_answer` wrote; see `sondage.load_answer`."""
    from sondage._variational_answer import from_json as variational_from_json
    from sondage.answer import Answer

    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source}: there is no such file")
    try:
        text = pl.read_parquet_metadata(source).get(KEY)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{source}: not a whole Parquet file ({error})") from None
    if text is None:
        raise DataError(f"{source}: a Parquet file, but not an answer that sondage saved")
    try:
        document = _object(json.loads(text))
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{source}: its description cannot be read ({error!r})") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise DataError(
            f"{source}: written by a newer sondage (schema {schema!r}; this one reads up to "
            f"{SCHEMA}); upgrade sondage"
        )
    try:
        frame = pl.read_parquet(source)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{source}: its table is damaged ({error})") from None
    try:
        space = _space_from_json(_object(document["space"]))
        question = _object(document["question"])
        named = document.get("latents")
        names = None if named is None else [str(name) for name in _list(named)]
        latents = None if names is None else _latents(frame, names, document["shape"])
        table = frame if names is None else frame.drop(names)
        draws, energies, valid = _arrays(table, space, document["shape"])
        space = _with_dtypes(space, table)
        answer = Answer(
            draws=draws,
            energies=energies,
            valid=valid,
            space=space,
            question=SavedQuestion(text=str(question["text"]), repr=str(question["repr"])),
            settings=Settings.from_dict(_object(document["settings"])),
            status=document["status"],  # type: ignore[arg-type]  # Answer checks it
            statistics=RunStatistics.from_dict(_object(document["statistics"])),
            latents=latents,
        )
        if "variational" in document:
            answer = variational_from_json(answer, _object(document["variational"]))
        expected = document["sha256"]
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{source}: its parts do not fit together ({error!r})") from None
    if fingerprint(answer) != expected:
        raise DataError(f"{source}: its draws were changed after it was saved (SHA-256 differs)")
    return answer


def fingerprint(answer: Answer) -> str:
    """SHA-256 of draws, energies, valid and latents if any, in that order, little-endian."""
    digest = hashlib.sha256()
    arrays = [(answer.draws, "<f8"), (answer.energies, "<f8"), (answer.valid, "u1")]
    if answer.latents is not None:
        arrays.append((answer.latents, "<f8"))
    for array, kind in arrays:
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def write_atomic(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `target`, then put it in its place.

    Raises
    ------
    DataError
        If the folder does not exist or `target` is a folder.
    """
    if not target.parent.is_dir():
        raise DataError(f"{target}: the folder {target.parent} does not exist")
    if target.is_dir():
        raise DataError(f"{target}: this is a folder; name a file")
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        write(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _latent_columns(latents: np.ndarray, taken: list[str]) -> pl.DataFrame:
    """Latent rows as a table whose names are none of those taken."""
    prefix = "latent_"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    flat = latents.reshape(-1, latents.shape[-1])
    return pl.DataFrame({f"{prefix}{j}": flat[:, j] for j in range(flat.shape[1])})


def _latents(frame: pl.DataFrame, names: list[str], shape: object) -> np.ndarray:
    chains, draws, _ = (int(size) for size in shape)  # type: ignore[attr-defined]
    columns = [frame[name].to_numpy() for name in names]
    return np.stack(columns, axis=1).reshape(chains, draws, len(names))


def _arrays(
    frame: pl.DataFrame, space: Space, shape: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from sondage._tables import own_names

    chains, draws, width = (int(size) for size in shape)  # type: ignore[attr-defined]
    chain, draw, energy, valid = own_names(space.columns)
    if frame.columns != [*space.columns, chain, draw, energy, valid]:
        raise ValueError(f"unexpected columns {frame.columns}")
    if frame.height != chains * draws:
        raise ValueError(f"{frame.height} rows instead of {chains} × {draws}")
    numbered = np.array_equal(frame[chain], np.repeat(np.arange(chains), draws))
    if not (numbered and np.array_equal(frame[draw], np.tile(np.arange(draws), chains))):
        raise ValueError(f"rows are not {chains} chains of {draws} draws in order")
    rows = encode(frame, space) if len(frame) else np.empty((0, width))
    return (
        rows.reshape(chains, draws, width),
        frame[energy].to_numpy().reshape(chains, draws),
        frame[valid].to_numpy().reshape(chains, draws),
    )


def _with_dtypes(space: Space, table: pl.DataFrame) -> Space:
    """Return the space with the dtypes that its columns have in the file."""
    return space._typed([table.schema[name] for name in space.columns])


def space_to_json(space: Space) -> dict[str, object]:
    """Return a space as plain data for JSON."""
    return {
        "columns": [_column_to_json(name, kind) for name, kind in space.kinds.items()],
        "increase_only": sorted(space.increase_only),
        "decrease_only": sorted(space.decrease_only),
        "constraints": [own.to_json() for own in space._constraints],
        "reference": None if space._learned is None else to_json(space._learned),
    }


def _column_to_json(name: str, kind: Column) -> dict[str, object]:
    match kind:
        case Continuous(lower, upper, missing):
            own: dict[str, object] = {"name": name, "kind": "continuous"}
            own |= {"lower": lower, "upper": upper}
            return own if missing is None else own | {"missing": missing}
        case Integer(lower, upper, missing):
            own = {"name": name, "kind": "integer", "lower": lower, "upper": upper}
            return own if missing is None else own | {"missing": missing}
        case Categorical(levels):
            return {"name": name, "kind": "categorical", "levels": list(levels)}
        case Fixed(value):
            return {"name": name, "kind": "fixed", "value": value}


def _space_from_json(data: Mapping[str, object]) -> Space:
    columns = [_object(entry) for entry in _list(data["columns"])]
    constraints = [constraint_from_json(_object(own)) for own in _list(data.get("constraints", []))]
    learned = data.get("reference")
    space = Space(
        {str(entry["name"]): _column_from_json(entry) for entry in columns},
        increase_only=[str(name) for name in _list(data["increase_only"])],
        decrease_only=[str(name) for name in _list(data["decrease_only"])],
        reference=None if learned is None else from_json(_object(learned)),
    )
    return space._typed(space._dtypes, tuple(constraints))


def _column_from_json(entry: Mapping[str, object]) -> Column:
    match entry:
        case {"kind": "continuous", "lower": float(lower), "upper": float(upper)}:
            return Continuous(lower, upper, _share(entry))
        case {"kind": "integer", "lower": int(lower), "upper": int(upper)}:
            return Integer(lower, upper, _share(entry))
        case {"kind": "categorical", "levels": list(levels)}:
            return Categorical(levels)
        case {"kind": "fixed", "value": value}:
            return Fixed(value, missing=value is None)
    raise ValueError(f"unknown column {entry!r}")


def _share(entry: Mapping[str, object]) -> float | None:
    share = entry.get("missing")
    if share is not None and not isinstance(share, float):
        raise TypeError(f"a share of missing values is needed, not {share!r}")
    return share


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is needed, not {value!r}")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed, not {value!r}")
    return value
