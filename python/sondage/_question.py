"""Questions as sums of weighted terms, and the energy the sampler needs of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sondage import _core
from sondage._evaluation import Evaluation
from sondage.errors import QuestionError
from sondage.frames import plain, to_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.frames import FrameLike
    from sondage.models import Model
    from sondage.space import Space

__all__ = ["Band", "Question", "Term", "WeightedSum"]

Band: TypeAlias = tuple[float, float]


class Question(ABC):
    """What is asked of trained models: a function G of a row, lower where the row answers better.

    Questions are frozen; they add, ``a + b`` or ``sum([a, b])``, and scale, ``0.1 * a``. Two are
    equal if they hold equal terms with equal weights in the same order.
    """

    __slots__ = ()
    __array_ufunc__ = None

    @property
    @abstractmethod
    def terms(self) -> tuple[tuple[float, Term], ...]:
        """The summands: pairs of weight and term."""

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that are asked, each object once, in order of appearance."""
        found: dict[int, Model] = {}
        for _, term in self.terms:
            for model in term.own_models:
                found.setdefault(id(model), model)
        return tuple(found.values())

    def evaluate(self, frame: FrameLike, space: Space) -> NDArray[np.float64]:
        """G of each row.

        Parameters
        ----------
        frame : polars, pandas or pyarrow frame, or 2-D numpy array
            The columns of the space by name (others are ignored), or by position in an array.
        space : Space
            Where columns are named and numbered; rows outside it are evaluated all the same.

        Returns
        -------
        ndarray of float64, shape (rows,)
            +∞ where a requirement is broken or a wanted label has probability zero.

        Raises
        ------
        DataError
            If the frame lacks a column or holds a missing or infinite value.
        ModelError
            If a model reads columns that the space does not have, or fails.
        """
        return self._on(space)(to_matrix(frame, space.columns))

    def gradient(
        self, array: NDArray[np.float64], space: Space | None = None
    ) -> NDArray[np.float64]:
        """Gradient of G in the free continuous columns.

        Parameters
        ----------
        array : ndarray, shape (rows, free columns)
        space : Space, optional
            Names the free columns and holds the values of the fixed ones. None: all columns of the
            question's model, in its order, are free.

        Returns
        -------
        ndarray of float64, shape (rows, free columns)

        Raises
        ------
        QuestionError
            If a model has no gradient, or no space is given for several models or none.
        DataError
            If the array has another number of columns.
        """
        for model in self.models:
            if not model.differentiable:
                raise QuestionError(
                    f"{model.name} is piecewise constant and has no gradient; sample with "
                    "Conditional, RandomWalk or MALA(drift='closed_form')"
                )
        if space is None:
            space = self._everywhere(array)
        lower, upper = space._lower_upper()
        free = np.flatnonzero(lower < upper)
        rows = to_matrix(array, None, len(free), what="array")
        full = np.tile(lower, (len(rows), 1))
        full[:, free] = rows
        return np.ascontiguousarray(self._energy(space).gradient(full)[:, free])

    def describe(self) -> str:
        """Say in words what is asked.

        Returns
        -------
        str
            One sentence, with the weights where they are not one.
        """
        parts = [term.words(weight) for weight, term in self.terms]
        if len(parts) == 1:
            return f"Find rows where {parts[0]}."
        numbered = "; ".join(f"({number}) {part}" for number, part in enumerate(parts, start=1))
        return f"Find rows where, all together: {numbered}."

    def __add__(self, other: Question) -> Question:
        """Add another question."""
        if not isinstance(other, Question):
            return NotImplemented
        return combine(self.terms + other.terms)

    def __radd__(self, other: object) -> Question:
        """Let ``sum([a, b])`` start from zero."""
        if isinstance(other, int) and other == 0:
            return self
        return NotImplemented

    def __mul__(self, weight: float) -> Question:
        """Weigh the question by a finite number."""
        number = plain(weight)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return NotImplemented
        if not math.isfinite(number):
            raise QuestionError(f"a question cannot be weighed by {number}; use a finite number")
        return combine(tuple((number * own, term) for own, term in self.terms))

    __rmul__ = __mul__

    def _energy(self, space: Space) -> _core.Energy:
        """G on a space, for the core."""
        return self._on(space).energy

    def _on(self, space: Space) -> Evaluation:
        """G on a space."""
        lower, upper = space._lower_upper()
        models: list[Model] = []
        number: dict[int, int] = {}
        losses: list[tuple[float, int, int, _core.Loss]] = []
        localizers: list[_core.Localizer] = []
        for weight, term in self.terms:
            if weight == 0.0:
                continue
            for share, model, node, loss in term.losses():
                if id(model) not in number:
                    number[id(model)] = len(models)
                    models.append(model)
                losses.append((weight * share, number[id(model)], node, loss))
            localizers += term.localizers(weight, space)
        columns = [model.sampled_columns(space) for model in models]
        energy = _core.Energy(
            lower=lower,
            upper=upper,
            models=[model._graph() for model in models],
            columns=columns,
            terms=losses,
            localizers=localizers,
        )
        return Evaluation.of(energy, models, columns)

    def _everywhere(self, array: NDArray[np.float64]) -> Space:
        """Return a space of the columns of the question's one model, wide enough for the rows."""
        from sondage.columns import Continuous
        from sondage.space import Space

        if len(self.models) != 1:
            raise QuestionError(
                f"gradient needs space= for a question about {len(self.models)} models"
            )
        model = self.models[0]
        names = model.feature_names or tuple(f"x{j}" for j in range(model.n_features))
        rows = to_matrix(array, None, len(names), what="array")
        return Space(
            {
                name: Continuous(float(rows[:, j].min()) - 1.0, float(rows[:, j].max()) + 1.0)
                for j, name in enumerate(names)
            }
        )

    def _checks(self) -> list[tuple[Model, object | Band]]:
        """Pairs of a model and the label or band that a valid row must get from it."""
        return [check for weight, term in self.terms if weight > 0.0 for check in term.checks()]


class Term(Question):
    """One summand of a question."""

    __slots__ = ()

    @property
    def terms(self) -> tuple[tuple[float, Term], ...]:
        """The term itself, with weight one."""
        return ((1.0, self),)

    @property
    def own_models(self) -> tuple[Model, ...]:
        """Models that this term asks."""
        return ()

    @abstractmethod
    def words(self, weight: float) -> str:
        """Say what the term wants, in a clause that follows "rows where"."""

    def losses(self) -> list[tuple[float, Model, int, _core.Loss]]:
        """Return the losses: their share, of which model, of which node of its graph."""
        return []

    def localizers(self, weight: float, space: Space) -> list[_core.Localizer]:  # noqa: ARG002
        """Return the weighted distances."""
        return []

    def checks(self) -> list[tuple[Model, object | Band]]:
        """Return what a valid row must be predicted as."""
        return []

    def check_weight(self, weight: float) -> None:
        """Refuse a weight that makes no sense for this term."""


@dataclass(frozen=True, slots=True, repr=False)
class WeightedSum(Question):
    """A sum of weighted terms; made by ``+`` and ``*``."""

    parts: tuple[tuple[float, Term], ...]

    @property
    def terms(self) -> tuple[tuple[float, Term], ...]:
        """The summands: pairs of weight and term."""
        return self.parts

    def __repr__(self) -> str:
        return " + ".join(
            repr(term) if weight == 1.0 else f"{weight!r} * {term!r}" for weight, term in self.parts
        )


def combine(parts: tuple[tuple[float, Term], ...]) -> Question:
    """Return the question that holds these weighted terms."""
    for weight, term in parts:
        if not math.isfinite(weight):
            raise QuestionError(f"the weight of {term!r} is {weight}; it must be finite")
        term.check_weight(weight)
    if len(parts) == 1 and parts[0][0] == 1.0:
        return parts[0][1]
    return WeightedSum(tuple((float(weight), term) for weight, term in parts))


def weighted(weight: float, clause: str, penalty: str) -> str:
    """Join what is wanted, how a row is penalised for missing it, and the weight unless one."""
    if weight < 0.0:
        return f"it is not so that {clause} (reward: {penalty}; weight {-weight:.10g})"
    known = "" if weight == 1.0 else f"; weight {weight:.10g}"
    return f"{clause} (penalty: {penalty}{known})"


def anchor_columns(
    what: str,
    values: dict[str, object] | tuple[float, ...],
    space: Space,
    *,
    needed: list[str],
    otherwise: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers in the space's order from a mapping or an array, and which of them were given."""
    columns = space.columns
    if isinstance(values, tuple):
        if len(values) != len(columns):
            raise QuestionError(
                f"{what} has {len(values)} values; the space has {len(columns)} columns"
            )
        return np.array(values, dtype=np.float64), np.ones(len(columns), dtype=np.bool_)
    missing = [name for name in needed if name not in values]
    if missing:
        raise QuestionError(
            f"{what} has no value for {', '.join(map(repr, missing))}; every free column needs one"
        )
    numbers = np.full(len(columns), otherwise)
    given = np.zeros(len(columns), dtype=np.bool_)
    for index, name in enumerate(columns):
        value = values.get(name)
        number = isinstance(value, int | float) and math.isfinite(value)
        if number:
            numbers[index], given[index] = float(value), True  # type: ignore[arg-type]
        elif name in needed:
            raise QuestionError(f"{what} has {value!r} for column {name!r}; a number is needed")
    return numbers, given
