"""What Python evaluates for the core: batched calls, and the way back of their gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from sondage._core import Graph
from sondage.errors import ModelError, SondageError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Vjp

__all__ = ["NODE", "Outputs", "Placed", "Probe", "Probes", "failed", "placed", "plan"]

_Floats: TypeAlias = "NDArray[np.float64]"

#: The one node beside the row in the graph of what Python evaluates alone.
NODE = 1


class Function(Protocol):
    """A function of rows, or of the outputs of other functions; gives (rows, width)."""

    @property
    def width(self) -> int:
        """Numbers that it gives a row."""

    @property
    def differentiable(self) -> bool:
        """Whether `with_vjp` can be called."""

    @property
    def key(self) -> Hashable:
        """The same for functions that give the same."""

    def values(self, given: Any) -> _Floats:  # noqa: ANN401
        """Evaluate it."""

    def with_vjp(self, given: Any) -> tuple[_Floats, Callable[[_Floats], Any]]:  # noqa: ANN401
        """Evaluate it; also return what takes cotangents (rows, width) back to what was given."""


class Outputs(Protocol):
    """What the core is told of rows: outputs, and gradients through them."""

    @property
    def names(self) -> tuple[str, ...]:
        """The models and functions that are called, each once."""

    def values(self, rows: _Floats) -> _Floats:
        """Return the outputs of the rows that the core asks about."""

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        """Return the outputs of these rows, and what takes their cotangents back to the rows."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A function, and what it is called with.

    Attributes
    ----------
    name : str
        Of the model or function, for errors.
    function : Function
    columns : ndarray of int
        Columns of the asked row that it reads.
    inputs : tuple of Probe
        If there are any, it reads their outputs, a sequence, and no columns.
    """

    name: str
    function: Function
    columns: NDArray[np.int64]
    inputs: tuple[Probe, ...] = ()

    @property
    def key(self) -> Hashable:
        """The same for probes that give the same."""
        inputs = tuple(probe.key for probe in self.inputs)
        return self.function.key, inputs or self.columns.tobytes()


@dataclass(frozen=True, slots=True)
class Placed:
    """A model on a space.

    Attributes
    ----------
    graph : Graph
    columns : ndarray of int
        Columns of the row that the graph reads.
    probes : dict
        What Python evaluates of it, by node.
    """

    graph: Graph
    columns: NDArray[np.int64]
    probes: dict[int, Probe] = field(default_factory=dict)


def placed(probe: Probe, columns: NDArray[np.int64]) -> Placed:
    """Return the graph of a function that Python evaluates, on these columns of the row."""
    operations = [("row",), ("foreign", probe.function.width, probe.function.differentiable)]
    return Placed(Graph(len(columns), operations), columns, {NODE: probe})


@dataclass(frozen=True, slots=True)
class _Step:
    """A probe in a plan: the columns, None for all, or the numbers of the steps that it reads."""

    name: str
    function: Function
    columns: NDArray[np.int64] | None
    inputs: tuple[int, ...]


def plan(probes: Iterable[Probe], n_columns: int) -> Outputs:
    """Plan the calls behind probes, whose outputs are wanted side by side."""
    calls = Probes.of(probes, n_columns)
    first = calls.steps[0]
    single = calls.outputs == (0,) and first.columns is None and not first.inputs
    if single and first.function.differentiable:
        return _Single(first.name, first.function)
    return calls


@dataclass(frozen=True, slots=True)
class _Single:
    """`Probes` of one function of all columns: little more than its calls, once a step."""

    name: str
    function: Function

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def values(self, rows: _Floats) -> _Floats:
        try:
            outputs = self.function.values(rows)
        except Exception as error:  # the user's model may raise anything
            raise failed(self.name, len(rows), error) from error
        return np.ascontiguousarray(outputs)

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        try:
            outputs, vjp = self.function.with_vjp(rows)
        except Exception as error:  # the user's model may raise anything
            raise failed(self.name, len(rows), error) from error

        def pull(cotangents: _Floats) -> _Floats:
            try:
                gradient = vjp(cotangents)
            except Exception as error:  # the user's model may raise anything
                raise failed(self.name, len(rows), error, "the gradient") from error
            return np.ascontiguousarray(gradient)

        return np.ascontiguousarray(outputs), pull


@dataclass(frozen=True, slots=True)
class Probes:
    """Functions of rows that are each called once, their outputs side by side."""

    steps: tuple[_Step, ...]
    #: The steps whose values are the outputs.
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, probes: Iterable[Probe], n_columns: int) -> Probes:
        """Plan the calls; what several probes need is evaluated once."""
        steps: list[_Step] = []
        number: dict[Hashable, int] = {}
        every = np.arange(n_columns)

        def add(probe: Probe) -> int:
            key = probe.key
            if key not in number:
                inputs = tuple(add(own) for own in probe.inputs)
                columns = None if np.array_equal(probe.columns, every) else probe.columns
                steps.append(_Step(probe.name, probe.function, columns, inputs))
                number[key] = len(steps) - 1
            return number[key]

        outputs = tuple(add(probe) for probe in probes)
        return cls(tuple(steps), outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """The models and functions that are called, each once."""
        return tuple(dict.fromkeys(step.name for step in self.steps))

    def values(self, rows: _Floats) -> _Floats:
        """Return the outputs of rows, (rows, outputs)."""
        return self._forward(rows, gradient=False)[0]

    def with_vjp(self, rows: _Floats) -> tuple[_Floats, Vjp]:
        """Return the outputs of rows, and what takes their cotangents back to the rows."""
        outputs, vjps = self._forward(rows, gradient=True)
        return outputs, lambda cotangents: self._backward(rows, cotangents, vjps)

    def _forward(
        self, rows: _Floats, *, gradient: bool
    ) -> tuple[_Floats, list[Callable[[_Floats], Any] | None]]:
        values: list[_Floats] = []
        vjps: list[Callable[[_Floats], Any] | None] = []
        for step in self.steps:
            given: _Floats | Sequence[_Floats] = rows
            if step.inputs:
                given = [values[i] for i in step.inputs]
            elif step.columns is not None:
                given = np.ascontiguousarray(rows[:, step.columns])
            vjp = None
            try:
                if gradient and step.function.differentiable:
                    value, vjp = step.function.with_vjp(given)
                else:
                    value = step.function.values(given)
            except Exception as error:  # the user's model may raise anything
                raise failed(step.name, len(rows), error) from error
            values.append(value)
            vjps.append(vjp)
        # Columns that were picked lie column by column, and so does what is made of such alone.
        if len(self.outputs) == 1:
            return np.ascontiguousarray(values[self.outputs[0]]), vjps
        together = np.concatenate([values[i] for i in self.outputs], axis=1)
        return np.ascontiguousarray(together), vjps

    def _backward(
        self, rows: _Floats, cotangents: _Floats, vjps: list[Callable[[_Floats], Any] | None]
    ) -> _Floats:
        owed: dict[int, _Floats] = {}
        first = 0
        for i in self.outputs:
            last = first + self.steps[i].function.width
            _add(owed, i, cotangents[:, first:last])
            first = last
        gradient: _Floats | None = None
        # A step comes after all that it reads.
        for i in range(len(self.steps) - 1, -1, -1):
            step, vjp = self.steps[i], vjps[i]
            if vjp is None or i not in owed:
                continue
            try:
                back = vjp(owed[i])
            except Exception as error:  # the user's model may raise anything
                raise failed(step.name, len(rows), error, "the gradient") from error
            if step.inputs:
                for j, part in zip(step.inputs, back, strict=True):
                    _add(owed, j, part)
                continue
            if step.columns is not None:
                own = np.zeros_like(rows)
                own[:, step.columns] = back
                back = own
            gradient = back if gradient is None else gradient + back
        return np.zeros_like(rows) if gradient is None else np.ascontiguousarray(gradient)


def failed(name: str, n: int, error: Exception, what: str = "") -> ModelError:
    """Say that a model or function could not be evaluated; for the error that it is raised from."""
    said = str(error) if isinstance(error, SondageError) else f"{type(error).__name__}: {error}"
    of = f"{what} of {n} rows" if what else f"{n} rows"
    return ModelError(f"{name} could not evaluate {of}: {said}")


def _add(owed: dict[int, _Floats], i: int, part: _Floats) -> None:
    owed[i] = owed[i] + part if i in owed else part
