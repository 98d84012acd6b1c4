"""Terms that are functions of the user: of rows, or of the outputs of models."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from sondage._core import Loss
from sondage._probes import NODE, Placed, Probe, placed
from sondage._question import Asked, Term
from sondage._terms.words import averaged, weighted
from sondage.errors import QuestionError
from sondage.models._outputs import output_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from sondage._lookups import Lookups
    from sondage.models import Model
    from sondage.models._adapter import Vjp
    from sondage.space import Space

__all__ = ["Custom", "OutputLoss"]

_Floats: TypeAlias = "NDArray[np.float64]"
_Head: TypeAlias = Literal["score", "proba"]


@dataclass(frozen=True, slots=True, repr=False)
class Custom(Term):
    """A function of the row."""

    function: Callable[[_Floats], Any]
    slope: Callable[[_Floats], Any] | None
    name: str

    @property
    def differentiable(self) -> bool:
        """Whether it has a gradient."""
        return self.slope is not None

    @property
    def sloping(self) -> tuple[Custom, ...]:
        """The function itself."""
        return (self,)

    def losses(self) -> list[Asked]:
        """Return its value."""
        return [(1.0, ((self, NODE),), Loss.value())]

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:  # noqa: ARG002
        columns = np.arange(first, first + len(space.columns))
        return placed(Probe(self.name, _OfRows(self.function, self.slope), columns), columns)

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        return weighted(weight, f"the function {self.name} is small", "its value")

    def __repr__(self) -> str:
        slope = "" if self.slope is None else f", gradient={called(self.slope)}"
        return f"custom({called(self.function)}{slope}{_renamed(self.name, self.function)})"


@dataclass(frozen=True, slots=True, repr=False)
class OutputLoss(Term):
    """A function of the outputs of models; of an ensemble, its mean over the members."""

    models_asked: tuple[Model, ...]
    loss: Callable[..., Any]
    slope: Callable[..., Any] | None
    output: Literal["score", "proba", "value"] | None
    name: str

    @property
    def own_models(self) -> tuple[Model, ...]:
        """The models that are asked."""
        return self.models_asked

    @property
    def differentiable(self) -> bool:
        """Whether the loss has a gradient, and every model too."""
        return self.slope is not None and all(model.differentiable for model in self.models_asked)

    @property
    def sloping(self) -> tuple[OutputLoss | Model, ...]:
        """The loss, and the models."""
        return (*self.models_asked, self)

    def losses(self) -> list[Asked]:
        """Return the value of the loss."""
        return [(1.0, ((self, NODE),), Loss.value())]

    def head(self, model: Model) -> _Head:
        """Return which output of a model the loss is about."""
        if self.output is None:
            return "proba" if model.has_proba else "score"
        return "proba" if self.output == "proba" else "score"

    def _place(self, space: Space, first: int, lookups: Lookups) -> Placed:
        members: list[list[tuple[float, int]]] = []
        inputs: list[Probe] = []
        for model in self.models_asked:
            columns = model._columns_on(space, first, lookups)
            own = []
            for share, member in model.members:
                own.append((share, len(inputs)))
                inputs.append(output_probe(member, self.head(model), columns))
            members.append(own)
        pairs = tuple(
            (float(np.prod([share for share, _ in chosen])), tuple(i for _, i in chosen))
            for chosen in product(*members)
        )
        loss = _OfOutputs(self.loss, self.slope if self.differentiable else None, pairs)
        every = np.arange(first, first + len(space.columns))
        return placed(Probe(self.name, loss, every, tuple(inputs)), every)

    def words(self, weight: float) -> str:
        """Say what the term wants."""
        names = [model.name for model in self.models_asked]
        clause = f"the loss {self.name} of what {' and '.join(names)} say is small"
        penalty = "its value"
        for model in self.models_asked:
            penalty = averaged(penalty, model)
        return weighted(weight, clause, penalty)

    def __repr__(self) -> str:
        names = [model.name for model in self.models_asked]
        of = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        slope = "" if self.slope is None else f", gradient={called(self.slope)}"
        output = "" if self.output is None else f", output={self.output!r}"
        renamed = _renamed(self.name, self.loss)
        return f"term({of}, {called(self.loss)}{slope}{output}{renamed})"


def called(function: object) -> str:
    """Name of a function, for words and for code."""
    own = getattr(function, "__name__", None)
    return own if isinstance(own, str) else type(function).__name__


def _renamed(name: str, function: object) -> str:
    return "" if name == called(function) else f", name={name!r}"


@dataclass(frozen=True, slots=True, eq=False)
class _OfRows:
    """A function of rows and its gradient, as it is called."""

    function: Callable[[_Floats], Any]
    slope: Callable[[_Floats], Any] | None

    @property
    def width(self) -> int:
        return 1

    @property
    def differentiable(self) -> bool:
        return self.slope is not None

    @property
    def key(self) -> Hashable:
        return id(self.function), id(self.slope)

    def values(self, rows: _Floats) -> _Floats:
        return _one_each(self.function(rows), len(rows))

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        def vjp(cotangent: _Floats) -> _Floats:
            assert self.slope is not None
            return cotangent * _of_shape(self.slope(rows), rows.shape)

        return self.values(rows), vjp


@dataclass(frozen=True, slots=True, eq=False)
class _OfOutputs:
    """A loss of outputs, as it is called: its mean over weighted choices of them."""

    loss: Callable[..., Any]
    slope: Callable[..., Any] | None
    choices: tuple[tuple[float, tuple[int, ...]], ...]

    @property
    def width(self) -> int:
        return 1

    @property
    def differentiable(self) -> bool:
        return self.slope is not None

    @property
    def key(self) -> Hashable:
        return id(self.loss), id(self.slope)

    def values(self, given: Sequence[_Floats]) -> _Floats:
        n = len(given[0])
        parts = [
            share * _one_each(self.loss(*(given[i] for i in chosen)), n)
            for share, chosen in self.choices
        ]
        return sum(parts[1:], parts[0])

    def with_vjp(
        self, given: Sequence[_Floats]
    ) -> tuple[_Floats, Callable[[_Floats], list[_Floats]]]:
        def vjp(cotangent: _Floats) -> list[_Floats]:
            assert self.slope is not None
            back = [np.zeros_like(output) for output in given]
            for share, chosen in self.choices:
                slopes = self.slope(*(given[i] for i in chosen))
                parts = [slopes] if len(chosen) == 1 else list(slopes)
                if len(parts) != len(chosen):
                    raise QuestionError(
                        f"its gradient gave {len(parts)} arrays; one for each of the "
                        f"{len(chosen)} models is needed"
                    )
                for i, part in zip(chosen, parts, strict=True):
                    back[i] += share * cotangent * _of_shape(part, given[i].shape)
            return back

        return self.values(given), vjp


def _one_each(given: object, n: int) -> _Floats:
    """Return a number for each row as (rows, 1)."""
    values = np.asarray(given, dtype=np.float64)
    if values.shape not in ((n,), (n, 1)):
        raise QuestionError(f"it gave shape {values.shape} for {n} rows; ({n},) is needed")
    return values.reshape(n, 1)


def _of_shape(given: object, shape: tuple[int, ...]) -> _Floats:
    values = np.asarray(given, dtype=np.float64)
    if values.shape == shape[:1] and shape[1:] == (1,):
        values = values[:, np.newaxis]
    if values.shape != shape:
        raise QuestionError(f"its gradient has shape {values.shape}; {shape} is needed")
    return values
