"""The figures an answer offers, as methods of ``answer.plot``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sondage.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sondage.answer import Answer
    from sondage.frames import FrameLike

__all__ = ["AnswerPlots"]


@dataclass(frozen=True, slots=True, repr=False)
class AnswerPlots:
    """Figures of an answer.

    Every method returns a matplotlib ``Figure`` that belongs to no window and changes no setting
    of matplotlib: show it by returning it from a notebook cell, keep it with ``savefig``.
    `MissingDependencyError` says so where matplotlib is not installed.
    """

    _answer: Answer

    def __repr__(self) -> str:
        return "AnswerPlots: .marginals(reference=None), .trace(), .scatter(x, y)"

    def marginals(self, reference: FrameLike | None = None) -> Figure:
        """Draw the histogram of every free column between its bounds; of categories, their shares.

        Parameters
        ----------
        reference : frame, optional
            Data drawn over it as an outline; must have the free columns. Missing values are left
            out where the space has none; else a bar beside the histogram has their share.

        Raises
        ------
        DataError
            If the reference lacks a column, or holds something else than numbers in one of them.
        """
        _require_matplotlib()
        from sondage.plot.marginals import marginals

        return marginals(self._answer, reference)

    def trace(self) -> Figure:
        """Draw every chain of G and of every free column against the number of the draw."""
        _require_matplotlib()
        from sondage.plot.traces import traces

        return traces(self._answer)

    def scatter(self, x: str, y: str) -> Figure:
        """Draw two free columns against each other, coloured by G.

        Draws of one level are spread out beside it; those that miss one of the numbers are left
        out.

        Raises
        ------
        DataError
            If the space has no such column or it is fixed.
        """
        _require_matplotlib()
        from sondage.plot.scatter import scatter

        return scatter(self._answer, x, y)


def _require_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("figures need matplotlib: pip install 'sondage[report]'")
