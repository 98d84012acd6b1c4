"""What users say of a model when they import it: its name, its classes, rows to compare on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sondage.errors import DataError, ModelError
from sondage.frames import listed, plain
from sondage.models._rows import raw_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sondage.frames import FrameLike
    from sondage.models._adapter import Source
    from sondage.models._features import RawColumn

__all__ = ["check_classes", "check_name", "check_rows", "names_of"]


def check_name(name: object) -> str:
    """Return a model's name, or say what one must be."""
    if not isinstance(name, str) or not name.strip():
        raise ModelError(f"name={name!r} must be a non-empty string")
    return name


def check_classes(given: Sequence[object] | None, own: Sequence[object]) -> tuple[object, ...]:
    """Return the class labels to use: the model's own, or the user's names for them."""
    if given is None:
        return tuple(plain(label) for label in own)
    if isinstance(given, str):
        raise ModelError(f"classes={given!r} must be a sequence of labels")
    labels = tuple(plain(label) for label in given)
    if len(labels) != len(own) or len(set(labels)) != len(labels):
        raise ModelError(
            f"classes has {len(labels)} labels ({listed(labels)}); {len(own)} different ones are "
            f"needed, one for each of {listed([plain(label) for label in own])}"
        )
    return labels


def check_rows(
    frame: FrameLike, names: Sequence[str] | None, source: Source
) -> NDArray[np.float64]:
    """Rows to compare predictions on; a frame without the model's columns is a ModelError."""
    try:
        return raw_rows(
            frame,
            source.columns,
            names,
            missing=source.missing,
            unknown=source.unknown,
            what="check",
        )
    except DataError as error:
        raise ModelError(str(error)) from error


def names_of(columns: Sequence[RawColumn]) -> tuple[str, ...] | None:
    """Names of the columns if all have one."""
    names = tuple(column.name for column in columns if column.name is not None)
    return names if len(names) == len(columns) else None
