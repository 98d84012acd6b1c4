"""One constraint of a space: a condition as text, or a function of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sondage import _core
from sondage._constraints._parsing import parse
from sondage._constraints._program import Compiler, columns_of
from sondage.errors import SondageError, SpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from numpy.typing import NDArray

    from sondage.columns import Column

__all__ = ["Condition", "Constraint", "Predicate", "constraint", "from_json"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the columns of a row, as text; evaluated by the core."""

    text: str

    @property
    def name(self) -> str:
        """How errors call it."""
        return self.text

    def columns(self) -> set[str]:
        """Names of the columns that it reads."""
        return columns_of(parse(self.text))

    def program(
        self, kinds: Mapping[str, Column], lenient: frozenset[str] = frozenset()
    ) -> _core.Constraint:
        """Return it as the core evaluates it on rows of these columns.

        Raises
        ------
        SpaceError
            If it cannot be read, or does not fit the columns.
        """
        try:
            steps = Compiler(self.text, kinds, lenient).condition(parse(self.text))
        except RecursionError:
            raise SpaceError(f"{self.text[:80]!r} is nested too deeply") from None
        return _core.Constraint(self.text, steps, len(kinds))

    def to_json(self) -> dict[str, str]:
        """Return it as it is saved."""
        return {"text": self.text}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"where({self.text!r})"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A function from a frame to a mask of its rows; None where it was not saved."""

    name: str
    function: Callable[[pl.DataFrame], Any] | None

    def mask(self, frame: pl.DataFrame) -> NDArray[np.bool_]:
        """Say which rows it admits.

        Raises
        ------
        SpaceError
            If it gives anything but a boolean for each row, or was not saved.
        """
        if self.function is None:
            raise SpaceError(
                f"the constraint {self.name!r} is a function, which was not saved with the space: "
                "its name is all that is known; make the space anew with where(function)"
            )
        given = np.asarray(self.function(frame))
        if given.shape != (frame.height,):
            raise SpaceError(
                f"the constraint {self.name!r} gave shape {given.shape} for a frame of "
                f"{frame.height} rows; a mask of shape ({frame.height},) is needed"
            )
        if given.dtype != np.bool_:
            raise SpaceError(
                f"the constraint {self.name!r} gave dtype {given.dtype}; booleans are needed, "
                "none missing"
            )
        return given

    def checked(self, frame: pl.DataFrame) -> NDArray[np.bool_]:
        """Say which rows it admits; a failure of the function is told as one of the constraint.

        Raises
        ------
        SpaceError
            As `mask`, or with the function's exception as cause.
        """
        try:
            return self.mask(frame)
        except SondageError:
            raise
        except Exception as error:  # the user's function may raise anything
            raise SpaceError(
                f"the constraint {self.name!r} could not evaluate {frame.height} rows: "
                f"{type(error).__name__}: {error}"
            ) from error

    def to_json(self) -> dict[str, str]:
        """Return its name, which is all that is saved."""
        return {"function": self.name}

    def __str__(self) -> str:
        return f"the function {self.name}"

    def __repr__(self) -> str:
        own = getattr(self.function, "__name__", self.name)
        renamed = "" if own == self.name else f", name={self.name!r}"
        return f"where({own}{renamed})"


Constraint: TypeAlias = Condition | Predicate


def constraint(given: object, name: str | None) -> Constraint:
    """Return what `Space.where` was given as a constraint.

    Raises
    ------
    SpaceError
        If it is neither a text nor a function, or the name is not one.
    """
    if name is not None and not str(name).strip():
        raise SpaceError(f"name={name!r} must not be empty")
    if isinstance(given, str):
        if name is not None:
            raise SpaceError(f"name={name!r} is for functions; a text is its own name")
        return Condition(given.strip())
    if not callable(given):
        raise SpaceError(
            f"condition is {type(given).__name__}; a text such as 'a <= 2*b + 1' or a function "
            "from a frame to a mask is needed"
        )
    own = getattr(given, "__name__", None)
    return Predicate(name or (own if isinstance(own, str) else type(given).__name__), given)


def from_json(data: Mapping[str, object]) -> Constraint:
    """Return what was saved; a function by its name alone."""
    if "text" in data:
        return Condition(str(data["text"]))
    return Predicate(str(data["function"]), None)
