"""Questions as sums of weighted terms, and the energy the sampler needs of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    overload,
)

import numpy as np

from sondage._assembly import Assembly
from sondage._encoding import encode
from sondage.columns import Continuous
from sondage.errors import QuestionError
from sondage.frames import plain, to_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage import _core
    from sondage._checks import Check
    from sondage._evaluation import Evaluation
    from sondage._lookups import Lookups
    from sondage._probes import Placed
    from sondage.frames import FrameLike
    from sondage.models import Model
    from sondage.space import Space

__all__ = [
    "Askable",
    "Asked",
    "Mean",
    "Near",
    "Output",
    "Part",
    "Question",
    "Term",
    "WeightedSum",
    "combine",
]


class Askable(Protocol):
    """A model, or a function of the user, as the losses of terms ask it."""

    @property
    def name(self) -> str:
        """How errors call it."""

    @property
    def differentiable(self) -> bool:
        """Whether it has a gradient in the row."""

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:
        """Return it on a space whose columns begin at column `first` of the row."""


#: A model and the node of its graph that gives an output.
Output: TypeAlias = "tuple[Askable, int]"
#: A loss of one or two outputs, and its share of the term.
Asked: TypeAlias = "tuple[float, tuple[Output, ...], _core.Loss]"
#: A question, a space, and rows of it, (chains, draws, columns).
Part: TypeAlias = "tuple[Question, Space, NDArray[np.float64]]"


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a loss over the members of an ensemble that the core has stacked.

    Attributes
    ----------
    ensemble : Model
    node : int
        Of each member's graph.
    second : output of another model, or None
        What the members' output is compared with.
    loss : Loss
    """

    ensemble: Model
    node: int
    second: Output | None
    loss: _core.Loss


class Near(NamedTuple):
    """A weighted distance Σ_d w_d |x_d − a_d|^r from a row of a space."""

    weight: float
    power: Literal[1, 2]
    anchor: NDArray[np.float64]
    column_weights: NDArray[np.float64]


class Question(ABC):
    """What is asked of trained models: a function G of a row, lower where the row answers better.

    Questions are frozen; they add, ``a + b`` or ``sum([a, b])``, and scale, ``0.1 * a``. Two are
    equal if they hold equal terms with equal weights in the same order.
    """

    __slots__ = ()
    __array_ufunc__ = None
    #: Whether sums with it are its own to make: its terms are not all about the same rows.
    _decodes: ClassVar[bool] = False

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
            Where columns are named and numbered; rows outside its bounds are evaluated all the
            same.

        Returns
        -------
        ndarray of float64, shape (rows,)
            +∞ where a requirement is broken or a wanted label has probability zero.

        Raises
        ------
        DataError
            If the frame lacks a column or holds a value that is missing, infinite or no level of
            its column.
        ModelError
            If a model reads columns that the space does not have, or fails.
        """
        return self._on(space)(encode(frame, self._sampled(space)))

    def gradient(
        self, array: NDArray[np.float64], space: Space | None = None
    ) -> NDArray[np.float64]:
        """Gradient of G in the free columns, which must be continuous.

        Parameters
        ----------
        array : ndarray, shape (rows, free columns)
        space : Space, optional
            Names the free columns and holds the values of the fixed ones: `Space.fix` integer and
            categorical columns first. None: all columns of the question's model, in its order, are
            free.

        Returns
        -------
        ndarray of float64, shape (rows, free columns)

        Raises
        ------
        QuestionError
            If a model has no gradient, a free column is not continuous, or no space is given for
            several models or none, or for a model that reads categories.
        DataError
            If the array has another number of columns.
        """
        for asked in (asked for _, term in self.terms for asked in term.sloping):
            if not asked.differentiable:
                raise QuestionError(_no_gradient(asked))
        if space is None:
            space = self._everywhere(array)
        sampled = self._sampled(space)
        for name in sampled.free:
            if not isinstance(sampled.kinds[name], Continuous):
                raise QuestionError(
                    f"column {name!r} is {sampled.kinds[name]!r}, in which there is no gradient: "
                    f"fix it, space.fix({{{name!r}: ...}})"
                )
        lower, upper = sampled._lower_upper()
        free = np.flatnonzero(lower < upper)
        rows = to_matrix(array, None, len(free), what="array")
        full = np.tile(lower, (len(rows), 1))
        full[:, free] = rows
        return np.ascontiguousarray(self._on(space).gradient(full)[:, free])

    def describe(self) -> str:
        """Say in words what is asked.

        Returns
        -------
        str
            One sentence, with the weights where they are not one.
        """
        return f"Find rows where{self._wanted()}."

    def _wanted(self) -> str:
        """Say what is wanted of rows, after a word such as "where"."""
        parts = [term.words(weight) for weight, term in self.terms]
        if len(parts) == 1:
            return f" {parts[0]}"
        numbered = "; ".join(f"({number}) {part}" for number, part in enumerate(parts, start=1))
        return f", all together: {numbered}"

    def __add__(self, other: Question | Literal[0]) -> Question:
        """Add another question; adding zero, where a `sum` begins, changes nothing."""
        if isinstance(other, Question) and not other._decodes:
            return combine(self.terms + other.terms)
        return self if _is_zero(other) else NotImplemented

    # For type checkers: `sum` adds to an int, and no other number may be added to a question.
    @overload
    def __radd__(self, other: Literal[0]) -> Question: ...  # type: ignore[overload-overlap]
    @overload
    def __radd__(self, other: int) -> None: ...
    def __radd__(self, other: int) -> Question | None:
        """Let ``sum([a, b])`` start from zero."""
        return self if _is_zero(other) else NotImplemented

    def __mul__(self, weight: float | np.floating[Any] | np.integer[Any]) -> Question:
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

    def _sampled(self, space: Space) -> Space:
        """Return the space that is sampled to answer on a space: the same, or a latent one."""
        return space

    def _parts(
        self,
        space: Space,
        draws: NDArray[np.float64],
        latents: NDArray[np.float64] | None,  # noqa: ARG002
    ) -> list[Part]:
        """Return questions with the spaces and rows on which their models confirm an answer."""
        return [(self, space, draws)]

    def _on(self, space: Space, temperature: float | None = None) -> Evaluation:
        """G on a space; with a temperature, what is sampled where that is not G alone."""
        space.sampleable()
        assembly = Assembly(len(space.columns))
        assembly.add(self.terms, space)
        reference = space.reference
        if reference is None or temperature is None:
            return assembly.evaluation(space)
        return assembly.evaluation(space, base=(temperature, reference._core()))

    def _everywhere(self, array: NDArray[np.float64]) -> Space:
        """Return a space of the columns of the question's one model, wide enough for the rows."""
        from sondage.space import Space

        if len(self.models) != 1:
            raise QuestionError(
                f"gradient needs space= for a question about {len(self.models)} models"
            )
        model = self.models[0]
        if not model._numeric:
            raise QuestionError(f"gradient needs space=: {model.name} reads categories")
        names = model.feature_names or tuple(f"x{j}" for j in range(model.n_features))
        rows = to_matrix(array, None, len(names), what="array")
        return Space(
            {
                name: Continuous(float(rows[:, j].min()) - 1.0, float(rows[:, j].max()) + 1.0)
                for j, name in enumerate(names)
            }
        )

    def _checks(self) -> list[Check]:
        """Conditions that a valid row fulfils."""
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

    @property
    def sloping(self) -> tuple[Askable, ...]:
        """Models and functions through which the term has its gradient."""
        return self.own_models

    @abstractmethod
    def words(self, weight: float) -> str:
        """Say what the term wants, in a clause that follows "rows where"."""

    def losses(self) -> list[Asked]:
        """Return the losses: their share, and of which nodes of which models' graphs."""
        return []

    def means(self) -> list[Mean]:
        """Return the means over stacked ensembles that `losses` leaves out."""
        return []

    def localizers(self, weight: float, space: Space) -> list[Near]:  # noqa: ARG002
        """Return the weighted distances."""
        return []

    def checks(self) -> list[Check]:
        """Return the conditions that a valid row fulfils."""
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


def _no_gradient(asked: Askable) -> str:
    if isinstance(asked, Term):
        return f"{asked!r} has no gradient; give it one (gradient=), or sample with RandomWalk"
    if not getattr(asked, "native", True):
        return (
            f"{asked.name} has no gradient: its library gives outputs and nothing else; sample "
            "with RandomWalk"
        )
    return (
        f"{asked.name} is piecewise constant and has no gradient; sample with Conditional, "
        "RandomWalk or MALA(drift='closed_form')"
    )


def _is_zero(other: object) -> bool:
    return type(other) is int and other == 0
