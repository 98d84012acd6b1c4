"""G on a space, from the core and from the libraries of the models that it leaves out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage.errors import ModelError, SamplingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage._checkpoint import Keeper
    from sondage._core import Energy, Reference, Run
    from sondage._decoding import Decoding
    from sondage._probes import Outputs

__all__ = ["Evaluation", "advance_by_asking"]

#: How the names of constraints that are functions begin.
CONSTRAINT = "the constraint "
_UPDATE_SECONDS = 0.05
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Evaluation:
    """G on a space.

    Attributes
    ----------
    energy : Energy
        What the core knows of it.
    outside : Outputs or None
        What it does not: the outputs of models and functions that Python calls.
    decoding : Decoding or None
        From sampled rows to rows of the space, where they are not the same.
    base : (float, Reference) or None
        A temperature τ and a density p of sampled rows: what is evaluated is G − τ log p.
    """

    energy: Energy
    outside: Outputs | None = None
    decoding: Decoding | None = None
    base: tuple[float, Reference] | None = None

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """G of sampled rows, with one batched call for each foreign output.

        Raises
        ------
        ModelError
            If a model fails; the user's exception is its cause.
        """
        if self.outside is None:
            return self.energy.evaluate(rows)
        return self.energy.evaluate(rows, self.outside.values(self.energy.asked_rows(rows)))

    def gradient(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of G in the sampled rows.

        Raises
        ------
        ModelError
            If a model fails; the user's exception is its cause.
        """
        outside = self.outside
        if outside is None:
            return self.energy.gradient(rows)
        parts = []
        # What a backward pass keeps of its forward pass is large.
        for first in range(0, len(rows), _BATCH):
            batch = np.ascontiguousarray(rows[first : first + _BATCH])
            outputs, vjp = outside.with_vjp(self.energy.asked_rows(batch))
            parts.append(self.energy.gradient(batch, outputs, vjp))
        return np.concatenate(parts) if parts else np.empty_like(rows)


def advance_by_asking(
    run: Run,
    outside: Outputs,
    deadline: float,
    progress: bool | None,
    keeper: Keeper | None = None,
) -> Literal["complete", "timed_out"]:
    """Run chains on what Python evaluates: a batched call of each model, every step.

    Raises
    ------
    SamplingError
        If a model fails; the user's exception is its cause. Or if a checkpoint cannot be written.
        What was drawn stays in the run.
    """
    from sondage.progress import progress_bar

    done, total, warmup = run.progress()
    shown = time.monotonic()
    with progress_bar(total, warmup, progress) as bar:
        while (asked := run.ask()) is not None:
            now = time.monotonic()
            if now >= deadline:
                return "timed_out"
            if now - shown >= _UPDATE_SECONDS:
                done, _, _ = run.progress()
                bar.update(done)
                shown = now
            if keeper is not None:
                keeper()
            rows, sloped = asked
            try:
                if not sloped:
                    run.tell(outside.values(rows))
                    continue
                outputs, vjp = outside.with_vjp(rows)
                cotangents = run.tell(outputs)
                if cotangents is not None:
                    run.tell_gradient(vjp(cotangents))
            except ModelError as error:
                raise SamplingError(str(error)) from (error.__cause__ or error)
            except SamplingError as error:
                functions = [name for name in outside.names if name.startswith(CONSTRAINT)]
                if not functions:
                    raise
                raise SamplingError(f"{error}; {' and '.join(functions)} must hold too") from None
        bar.update(total)
        return "complete"
