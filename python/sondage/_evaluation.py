"""G on a space, from the core and from the libraries of the models that it leaves out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage.errors import ModelError, SamplingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._core import Energy, Run
    from sondage.models import Model
    from sondage.models._calls import Call

__all__ = ["Evaluation", "advance_by_asking"]

_UPDATE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Evaluation:
    """G on a space.

    Attributes
    ----------
    energy : Energy
        What the core knows of it.
    calls : tuple
        What it does not: in the order of its `foreign` nodes, the model that is called, for which
        of its outputs, on which columns of the space.
    """

    energy: Energy
    calls: tuple[tuple[Model, Call, NDArray[np.int64]], ...]

    @classmethod
    def of(
        cls, energy: Energy, models: list[Model], columns: list[NDArray[np.int64]]
    ) -> Evaluation:
        """Find the calls that the energy needs."""
        calls = []
        for model, node in energy.foreign:
            (call,) = (call for call in models[model]._calls() if call.node == node)
            calls.append((models[model], call, columns[model]))
        return cls(energy, tuple(calls))

    @property
    def outside(self) -> tuple[str, ...]:
        """Names of the models that are called, each once."""
        return tuple(dict.fromkeys(model.name for model, _, _ in self.calls))

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """G of rows of the space, with one batched call for each foreign output.

        Raises
        ------
        ModelError
            If a model fails; the user's exception is its cause.
        """
        return self.energy.evaluate(rows, self.outputs(rows) if self.calls else None)

    def outputs(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the foreign models say of rows of the space, one call after the other."""
        known: dict[tuple[int, str, bytes], NDArray[np.float64]] = {}
        found = []
        for model, call, columns in self.calls:
            # A member is often asked by itself and as part of its ensemble.
            key = (id(call.source), call.gives, columns.tobytes())
            if key not in known:
                try:
                    known[key] = call.values(np.ascontiguousarray(rows[:, columns]))
                except Exception as error:  # the user's model may raise anything
                    raise ModelError(
                        f"{model.name} could not evaluate {len(rows)} rows: "
                        f"{type(error).__name__}: {error}"
                    ) from error
            found.append(known[key])
        return np.ascontiguousarray(np.concatenate(found, axis=1))


def advance_by_asking(
    run: Run, evaluation: Evaluation, deadline: float, progress: bool | None
) -> Literal["complete", "timed_out"]:
    """Run chains on models that their own libraries evaluate: a batched call of each, every step.

    Raises
    ------
    SamplingError
        If a model fails; the user's exception is its cause. What was drawn stays in the run.
    """
    from sondage.progress import progress_bar

    done, total, warmup = run.progress()
    shown = time.monotonic()
    with progress_bar(total, warmup, progress) as bar:
        while (rows := run.ask()) is not None:
            now = time.monotonic()
            if now >= deadline:
                return "timed_out"
            if now - shown >= _UPDATE_SECONDS:
                done, _, _ = run.progress()
                bar.update(done)
                shown = now
            try:
                outputs = evaluation.outputs(rows)
            except ModelError as error:
                raise SamplingError(str(error)) from (error.__cause__ or error)
            run.tell(outputs)
        bar.update(total)
        return "complete"
