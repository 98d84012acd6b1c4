"""The space: which columns a row has, what each may hold, and which are free to move."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sondage._constraints import admitted, constraint, require_possible
from sondage._declared import (
    names_of,
    require_columns,
    require_continuous,
    require_known,
    require_monotone,
    require_reference,
    require_sampleable,
)
from sondage._dtypes import dtype_of, holding
from sondage._reading import read_columns
from sondage.columns import (
    Categorical,
    Column,
    Continuous,
    Fixed,
    Integer,
    bounds_of,
    inside_column,
    may_be_missing,
    missing_weight,
    moves,
    require_allowed,
)
from sondage.errors import DataError, SpaceError
from sondage.frames import is_missing, to_narwhals, to_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from sondage._constraints import Constraint
    from sondage.frames import FrameLike, RowLike
    from sondage.reference import TreeDensity

__all__ = ["Categorical", "Column", "Continuous", "Fixed", "Integer", "Space"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Space:
    """The declared set of rows: an ordered mapping from column name to kind.

    The base measure is Lebesgue on continuous columns, counting on integer and categorical ones
    (MATH section 1); a missing value has its own share (`Continuous`). The sampler never leaves the
    space. Spaces are equal if they hold the same columns and constraints in the same order, and the
    same reference; the dtypes that `from_frame` remembers are not compared.

    Parameters
    ----------
    columns : mapping from str to Continuous, Integer, Categorical or Fixed
    increase_only, decrease_only : collection of str
        Columns that may only grow or shrink relative to a query row; `around` makes bounds of them.
    reference : TreeDensity, optional
        A density of the rows of data, learned by `sondage.reference.chow_liu`: answers then follow
        p_ref(x) exp(−G(x)/τ). None: the base measure alone.

    Raises
    ------
    SpaceError
        For no columns, a column of another type, unknown names, or a reference that was learned
        from other columns.

    >>> space = Space({"age": Continuous(18, 90), "income": Fixed(1000.0)})
    >>> space.columns
    ['age', 'income']
    >>> space.fix({"age": 40.0})
    Space({'age': Fixed(40.0), 'income': Fixed(1000.0)})
    """

    _items: tuple[tuple[str, Column], ...]
    increase_only: frozenset[str]
    decrease_only: frozenset[str]
    #: What rows fulfil beside kinds and bounds.
    _constraints: tuple[Constraint, ...]
    #: As it was learned; `reference` is what it says on this space.
    _learned: TreeDensity | None
    #: Of each column in a frame; None: the usual one of its kind.
    _dtypes: tuple[pl.DataType | None, ...] = field(compare=False)

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        increase_only: Collection[str] = (),
        decrease_only: Collection[str] = (),
        reference: TreeDensity | None = None,
    ) -> None:
        require_columns(columns)
        up = names_of(increase_only, "increase_only")
        down = names_of(decrease_only, "decrease_only")
        require_monotone(columns, up, down)
        object.__setattr__(self, "_items", tuple(columns.items()))
        object.__setattr__(self, "increase_only", frozenset(up))
        object.__setattr__(self, "decrease_only", frozenset(down))
        object.__setattr__(self, "_constraints", ())
        object.__setattr__(self, "_learned", reference)
        object.__setattr__(self, "_dtypes", (None,) * len(columns))
        if reference is not None:
            require_reference(reference)
            reference.on(self)

    @classmethod
    def from_frame(
        cls,
        frame: FrameLike,
        *,
        continuous: Collection[str] = (),
        integer: Collection[str] = (),
        categorical: Collection[str] = (),
        fixed: Collection[str] = (),
        bounds: Mapping[str, tuple[float, float]] | None = None,
        increase_only: Collection[str] = (),
        decrease_only: Collection[str] = (),
        reference: TreeDensity | None = None,
        missing: str = "forbid",
        names: Sequence[str] | None = None,
    ) -> Space:
        """Read kinds and ranges off data: floats are continuous, ints integer, the rest levels.

        A column that holds one value only, and is given no bounds, becomes `Fixed` at it. Answers
        give columns back in the dtypes that they have here: `Answer.frame` says more.

        Parameters
        ----------
        frame : polars, pandas or pyarrow frame, or 2-D numpy array
            At least one row; no value infinite, and none missing unless `missing` says so. An
            array's columns are continuous.
        continuous, integer, categorical : collection of str
            Columns whose kind is said here instead of read off the dtype.
        fixed : collection of str
            Columns that do not move: fixed at the one value the frame holds, or where it holds
            several, at the value of the query row (`around` or `fix` gives it).
        bounds : mapping from str to (lower, upper), optional
            Ranges instead of the smallest and largest value in the frame.
        increase_only, decrease_only : collection of str
            See `Space`.
        reference : TreeDensity, optional
            See `Space`.
        missing : {"forbid", "allow"}
            Whether a column that holds missing values (null or NaN) may do so in the space, too.
            Then they are its level None; of a column of numbers, with their share in the frame as
            share in the base measure (`Continuous`). A column that holds one number and missing
            values is categorical.
        names : sequence of str, optional
            Names for the columns of a numpy array; otherwise ``x0, x1, …``.

        Raises
        ------
        SpaceError
            For unknown names, contradictory kinds or impossible bounds.
        DataError
            For a frame that cannot be read (see `sondage.frames.to_narwhals`) or has no rows.

        >>> Space.from_frame(np.array([[0.0, 5.0], [1.0, 5.0]]))
        Space({'x0': Continuous(lower=0.0, upper=1.0), 'x1': Fixed(5.0)})
        """
        if names is not None and not isinstance(frame, np.ndarray):
            raise SpaceError("names is for numpy arrays; a frame brings its own")
        table = to_narwhals(frame, names)
        if len(table) == 0:
            raise DataError("the frame has no rows; a space is read off at least one")
        bounds = {} if bounds is None else bounds
        kinds = {
            "continuous": names_of(continuous, "continuous"),
            "integer": names_of(integer, "integer"),
            "categorical": names_of(categorical, "categorical"),
            "fixed": names_of(fixed, "fixed"),
        }
        for argument, group in {**kinds, "bounds": list(bounds)}.items():
            require_known(argument, group, table.columns)
        columns = read_columns(table, kinds, bounds, missing)
        space = cls(
            columns,
            increase_only=increase_only,
            decrease_only=decrease_only,
            reference=reference,
        )
        return space._typed([dtype_of(table.get_column(name)) for name in table.columns])

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [name for name, _ in self._items]

    @property
    def kinds(self) -> Mapping[str, Column]:
        """Kind of every column, by name, in order."""
        return MappingProxyType(dict(self._items))

    @property
    def free(self) -> list[str]:
        """Names of the columns that are not fixed, in order."""
        return [name for name, column in self._items if not isinstance(column, Fixed)]

    @property
    def reference(self) -> TreeDensity | None:
        """Density of the rows of data that answers start from, positive all over this space.

        What is fixed is conditioned on, and bounds cut it off (`TreeDensity.on`). None: there is
        none, and answers are uniform where the question is flat.
        """
        return None if self._learned is None else self._learned.on(self)

    def fix(self, values: Mapping[str, object]) -> Space:
        """Return this space with columns fixed at the given values.

        Raises
        ------
        SpaceError
            For an unknown column, or a value that the column does not allow.
        """
        require_known("fix", list(values), self.columns)
        columns = dict(self._items)
        for name, value in values.items():
            require_allowed(name, columns[name], value)
            columns[name] = Fixed(value, missing=may_be_missing(columns[name]))
        return Space(
            columns,
            increase_only=self.increase_only - values.keys(),
            decrease_only=self.decrease_only - values.keys(),
            reference=self._learned,
        )._typed(self._dtypes, self._constraints)

    def around(self, row: RowLike) -> Space:
        """Return the space of a query row.

        Increase-only columns get the row's value as lower bound, decrease-only ones as upper
        bound (`Fixed` where that leaves a single value), columns fixed at the query's value get it.
        Such a column is missing in the answer exactly if it is in the row.

        Parameters
        ----------
        row : mapping by name, one-row frame, or array in the space's order
            Columns that are not the space's are ignored.

        Raises
        ------
        SpaceError
            If the row lacks one of these columns or lies outside its bounds.

        >>> space = Space({"age": Continuous(18, 90)}, increase_only=["age"])
        >>> space.around({"age": 40})
        Space({'age': Continuous(lower=40.0, upper=90.0)})
        """
        values = to_row(row, self.columns)
        columns = dict(self._items)
        for name, column in self._items:
            grows, shrinks = name in self.increase_only, name in self.decrease_only
            waits = isinstance(column, Fixed) and column.at_query
            if not (grows or shrinks or waits):
                continue
            if name not in values:
                raise SpaceError(f"the row has no value for column {name!r}, which depends on it")
            require_allowed(name, column, values[name])
            if isinstance(column, Continuous | Integer) and not is_missing(values[name]):
                value = cast("float", values[name])
                lower = value if grows else column.lower
                upper = value if shrinks else column.upper
                columns[name] = Fixed(value) if lower == upper else type(column)(lower, upper)  # type: ignore[arg-type]
            else:
                columns[name] = Fixed(values[name], missing=may_be_missing(column))
        space = Space(columns, reference=self._learned)
        return space._typed(self._dtypes, self._constraints)

    def where(
        self, condition: str | Callable[[pl.DataFrame], Any], *, name: str | None = None
    ) -> Space:
        """Return the rows of this space that fulfil a condition as well; it holds exactly.

        Parameters
        ----------
        condition : str or callable
            A text such as ``"a <= 2*b + 1"``: columns by name (in backticks where that is no
            identifier), numbers, strings, ``+ - * /``, ``abs``, ``min``, ``max``, comparisons and
            chains of them, ``in [...]``, ``not``, ``and``, ``or`` and, weakest of all,
            ``=>``, "implies". Categories are compared with ``==``, ``!=`` and ``in``, against their
            levels. Or a function from a polars frame, of the columns of the space in the user's
            dtypes, to a boolean for each row: it is called in each step, and not saved.
        name : str, optional
            How errors call a function; default: its own name.

        Raises
        ------
        SpaceError
            If the text cannot be read or does not fit the columns, if no row of the space fulfils
            it, or if only an equality of real numbers would; names the text and its part.

        >>> space = Space({"a": Continuous(0, 9), "b": Continuous(0, 9)}).where("a <= 2*b + 1")
        >>> space.contains(np.array([[3.0, 1.0], [4.0, 1.0]]))
        array([ True, False])
        """
        added = constraint(condition, name)
        require_possible(self, [added])
        return self._typed(self._dtypes, (*self._constraints, added))

    def contains(self, frame: FrameLike) -> NDArray[np.bool_]:
        """Say for each row whether it lies in the space: kinds, bounds and constraints.

        Columns that are not the space's are ignored; a missing or NaN value is outside where none
        may be missing.

        Returns
        -------
        ndarray of bool, shape (rows,)

        Raises
        ------
        DataError
            If the frame lacks a column of the space.
        SpaceError
            If a function that was given to `where` fails, or was not saved with the space.

        >>> Space({"x": Continuous(0, 1)}).contains(np.array([[0.5], [2.0]]))
        array([ True, False])
        """
        table = to_narwhals(frame, self.columns)
        inside = np.ones(len(table), dtype=np.bool_)
        for name, column in self._items:
            inside &= inside_column(table.get_column(name), column)
        return admitted(self, table, inside) if self._constraints else inside

    def sampleable(self) -> None:
        """Check that the space can be sampled as it is.

        Raises
        ------
        SpaceError
            Names the first column that cannot and says what to do, or the first constraint that
            no row of the space can meet.
        """
        require_sampleable(self)
        require_possible(self, self._constraints)

    def _lower_upper(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds of sampled rows in column order; see `sondage._encoding`."""
        self.sampleable()
        lower, upper = np.array([bounds_of(column) for _, column in self._items]).T.copy()
        return lower, upper

    def _missing(self) -> NDArray[np.float64]:
        """Weights of a missing value in the columns; see `missing_weight`."""
        return np.array([missing_weight(column) for _, column in self._items])

    def _kinds(self) -> NDArray[np.uint8]:
        """How the sampler moves each column."""
        return np.array([moves(column) for _, column in self._items], dtype=np.uint8)

    def _require_continuous(self, what: str) -> None:
        """Refuse columns other than continuous ones and fixed numbers; `what` cannot have them."""
        self.sampleable()
        require_continuous(self, what)

    def _typed(
        self,
        dtypes: Sequence[pl.DataType | None],
        constraints: tuple[Constraint, ...] | None = None,
    ) -> Space:
        """Return this space with dtypes, where they fit its columns, and with constraints."""
        typed = copy(self)
        found = (holding(kind, own) for (_, kind), own in zip(self._items, dtypes, strict=True))
        object.__setattr__(typed, "_dtypes", tuple(found))
        own = self._constraints if constraints is None else constraints
        object.__setattr__(typed, "_constraints", own)
        return typed

    def __repr__(self) -> str:
        extra = "".join(
            f", {argument}={sorted(names)!r}"
            for argument, names in (
                ("increase_only", self.increase_only),
                ("decrease_only", self.decrease_only),
            )
            if names
        )
        if self._learned is not None:
            extra += f", reference={self._learned!r}"
        conditions = "".join(f".{own!r}" for own in self._constraints)
        return f"Space({dict(self._items)!r}{extra}){conditions}"
