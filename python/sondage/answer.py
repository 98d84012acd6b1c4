"""The answer to a question: draws, what is known about them, and ways to read and keep them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import polars as pl

from sondage._display import as_html, as_text
from sondage._tables import (
    arviz_tree,
    convergence_of,
    draws_frame,
    far_apart,
    summary_frame,
    to_pandas,
)
from sondage.diagnostics import Diagnostics, RunStatistics, diagnose
from sondage.errors import DataError, MissingDependencyError
from sondage.frames import plain
from sondage.plot import AnswerPlots
from sondage.tempering import log_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from sondage.convergence import Convergence
    from sondage.frames import FrameLike
    from sondage.persistence import SavedQuestion
    from sondage.questions import Question
    from sondage.report import Section
    from sondage.settings import Settings
    from sondage.space import Space
    from sondage.tempering import LogEvidence

__all__ = ["Answer", "Status", "load_answer"]

Scalar = TypeVar("Scalar", bound=np.generic)
Status: TypeAlias = Literal["complete", "interrupted", "timed_out", "failed"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Answer:
    """Draws from ``p(x) ∝ exp(−G(x)/τ)`` on a space, with all that is needed to judge them.

    Made by `sondage.ask` and `sondage.load_answer`; everything else is computed from these fields.

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, columns)
        Rows in the order of the space's columns and in their units; fixed columns included. A level
        of a categorical column is its position in `Categorical.levels`, a missing number NaN.
    energies : ndarray of shape (chains, draws)
        G of every draw.
    valid : ndarray of bool, shape (chains, draws)
        Whether the user's own model confirms what was asked; true where nothing is to confirm.
    space : Space
        The declared space; the base measure is Lebesgue on its free continuous columns, counting
        on integer and categorical ones, times the density of its reference if it has one.
    question : Question or SavedQuestion
        What was asked; an answer read from a file knows it in words only.
    settings : Settings
        How it was asked.
    status : {"complete", "interrupted", "timed_out", "failed"}
        How the run ended.
    statistics : RunStatistics
        What the sampler counted.
    latents : ndarray of shape (chains, draws, latent columns), optional
        Of a `pullback`: the rows that were decoded to the draws.

    Raises
    ------
    DataError
        If the shapes do not fit together or the status is unknown.
    """

    draws: NDArray[np.float64]
    energies: NDArray[np.float64]
    valid: NDArray[np.bool_]
    space: Space
    question: Question | SavedQuestion
    settings: Settings
    status: Status
    statistics: RunStatistics
    latents: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        draws = _frozen(np.asarray(self.draws, dtype=np.float64))
        energies = _frozen(np.asarray(self.energies, dtype=np.float64))
        valid = _frozen(np.asarray(self.valid, dtype=np.bool_))
        width = len(self.space.columns)
        if draws.ndim != 3 or draws.shape[2] != width:
            raise DataError(f"draws have shape {draws.shape}; (chains, draws, {width}) is needed")
        for name, array in (("energies", energies), ("valid", valid)):
            if array.shape != draws.shape[:2]:
                raise DataError(f"{name} have shape {array.shape}; {draws.shape[:2]} is needed")
        if self.latents is not None:
            latents = _frozen(np.asarray(self.latents, dtype=np.float64))
            if latents.ndim != 3 or latents.shape[:2] != draws.shape[:2]:
                raise DataError(
                    f"latents have shape {latents.shape}; {draws.shape[:2]} and latent columns are "
                    "needed"
                )
            object.__setattr__(self, "latents", latents)
        if self.status not in get_args(Status):
            raise DataError(f"status {self.status!r} must be one of {get_args(Status)}")
        object.__setattr__(self, "draws", draws)
        object.__setattr__(self, "energies", energies)
        object.__setattr__(self, "valid", valid)

    @property
    def frame(self) -> pl.DataFrame:
        """One row per draw, chain after chain: the columns of the space, then our four.

        These are ``chain`` and ``draw`` (from 0), ``energy`` (G) and ``valid``. If the user has a
        column of one of these names, ours gets a trailing underscore.

        Columns have the dtypes of the frame that `Space.from_frame` read; a pandas category of
        strings is an Enum. Without a frame, or where that dtype does not hold the column's values,
        continuous columns are Float64, integers Int64, levels String, Int64, Float64 or Boolean. A
        fixed column holds its very value. A missing value is null. A Float32 column is rounded to
        the nearest float32 within its bounds: ``valid`` is about the rounded row, ``energy`` about
        the row before.
        """
        return self._frame.clone()

    @cached_property
    def _frame(self) -> pl.DataFrame:
        return draws_frame(self)

    @cached_property
    def _convergence(self) -> Convergence:
        return convergence_of(self)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Whether the draws can be trusted: numbers, and warnings with a remedy."""
        return diagnose(self)

    @property
    def log_evidence(self) -> LogEvidence:
        """``log E[exp(−G/τ)]`` under the base measure, from a run at several temperatures.

        The base measure of the sampled columns is normalised where the space's conditions hold; a
        broken requirement counts 0. See `sondage.tempering` for how.

        Raises
        ------
        SamplingError
            For a run at one temperature or cut short; if no base row has a finite G.
        """
        return log_evidence(self)

    def summary(self) -> pl.DataFrame:
        """Describe every column and G.

        Returns
        -------
        polars.DataFrame
            A row per column of the space and a last one for G, with ``column mean sd q05 q50 q95
            rhat ess_bulk ess_tail mcse``: in the column's own unit, convergence as in
            `sondage.convergence`. Null where a number has no meaning: no draws, a fixed column's
            convergence, arviz-stats not installed. A categorical column has no mean, quantiles or
            mcse; its convergence is the worst over the indicators of its levels. Where values may
            be missing, a last column ``missing`` has their share; mean, quantiles and mcse are
            those of the values that are there, and convergence is the worst over these and the
            indicator of a missing one.
        """
        return self._summary.clone()

    @cached_property
    def _summary(self) -> pl.DataFrame:
        return summary_frame(self, self._convergence)

    def outputs(self, model: object) -> pl.DataFrame:
        """Put every draw through a model.

        Parameters
        ----------
        model : Model, or anything that `sondage.as_model` takes

        Returns
        -------
        polars.DataFrame
            One row per draw, in the order of `frame`. Classifiers: a column ``p[<class>]`` for
            every class and ``label``; regressors: ``value``.
        """
        from sondage.models import Model, as_model

        held = model if isinstance(model, Model) else as_model(model)
        rows = self._frame.select(self.space.columns)
        if held.classes is None:
            return pl.DataFrame({"value": np.asarray(held.predict(rows), dtype=np.float64)})
        proba = held.proba(rows)
        columns = [pl.Series(f"p[{name}]", proba[:, k]) for k, name in enumerate(held.classes)]
        return pl.DataFrame([*columns, pl.Series("label", np.asarray(held.predict(rows)).tolist())])

    def thin(self, n: int) -> Answer:
        """Keep every `n`-th draw of each chain.

        Raises
        ------
        DataError
            If `n` is not a positive whole number.
        """
        step = _positive("n", n)
        kept = slice(step - 1, None, step)
        draws = self.draws[:, kept]
        return replace(
            self,
            draws=draws,
            energies=self.energies[:, kept],
            valid=self.valid[:, kept],
            latents=None if self.latents is None else self.latents[:, kept],
            settings=replace(
                self.settings,
                draws=self.settings.draws // step,
                thin=self.settings.thin * step,
            ),
        )

    def diverse(self, k: int) -> pl.DataFrame:
        """Choose `k` draws that lie far from each other.

        The first is the draw of lowest energy; each next one is the draw whose nearest chosen draw
        is farthest (numbers in units of their column's width; levels that differ are one unit
        apart, and so are a missing value and a number). Draws that are not valid are taken only
        when no valid ones are left. No random number is used.

        Returns
        -------
        polars.DataFrame
            `k` rows of `frame`, in the order of choice.

        Raises
        ------
        DataError
            If there are fewer than `k` draws.
        """
        wanted = _positive("k", k)
        n = self.energies.size
        if wanted > n:
            raise DataError(f"k = {wanted} rows are more than the {n} draws there are")
        rows, energies = self.draws.reshape(n, -1), self.energies.ravel()
        return self._frame[far_apart(rows, self.space, energies, self.valid.ravel(), wanted)]

    def to_pandas(self) -> pd.DataFrame:
        """Return `frame` as a pandas data frame; Enum and Categorical columns are categories.

        Whole numbers of a column with missing ones are floats, as pandas has it.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        try:
            return to_pandas(self._frame, self.space)
        except ImportError:
            raise MissingDependencyError("to_pandas needs pandas: pip install pandas") from None

    def to_arviz(self) -> xr.DataTree:
        """Return the draws as an ArviZ tree.

        Group ``posterior`` holds ``x`` (chain, draw, column) over the free columns, with levels as
        their positions in the attribute ``levels`` (JSON by column); group ``sample_stats`` holds
        ``energy`` (G), ``lp`` (−G/τ) and ``valid``.

        Raises
        ------
        MissingDependencyError
            If arviz-base is not installed.
        """
        try:
            return arviz_tree(self)
        except ImportError:
            raise MissingDependencyError(
                "to_arviz needs arviz-base: pip install 'sondage[arviz]'"
            ) from None

    @property
    def plot(self) -> AnswerPlots:
        """Figures: ``plot.marginals(reference=None)``, ``plot.trace()``, ``plot.scatter(x, y)``."""
        return AnswerPlots(self)

    def report(
        self,
        path: str | Path,
        reference: FrameLike | None = None,
        *,
        title: str | None = None,
        sections: Sequence[Section] = (),
    ) -> Path:
        """Write one HTML file that opens offline and prints well.

        Parameters
        ----------
        path : str or Path
            Replaced if it exists, and only once the report is whole.
        reference : frame, optional
            Data to set the answer against, with the columns of the space.
        title : str, optional
            Instead of the question's words.
        sections : sequence of Section
            Further text and tables, after the marginals.

        Returns
        -------
        Path

        Raises
        ------
        MissingDependencyError
            If matplotlib or jinja2 is not installed.
        DataError
            If the reference lacks a column, or the folder does not exist.
        """
        try:
            from sondage.report.render import write_report
        except ImportError as error:
            raise MissingDependencyError(
                f"a report needs {error.name}: pip install 'sondage[report]'"
            ) from error
        return write_report(self, path, reference=reference, title=title, sections=sections)

    def save(self, path: str | Path) -> Path:
        """Write the answer to one Parquet file, which `sondage.load_answer` reads back bit by bit.

        Any Parquet reader sees `frame`; the rest is JSON in the file's metadata.

        Returns
        -------
        Path

        Raises
        ------
        DataError
            If the folder does not exist.
        """
        from sondage.persistence import save_answer

        return save_answer(self, path)

    def _call(self) -> tuple[str, dict[str, str]]:
        """Name the function that made it, and its arguments after question and space, as code."""
        used = self.settings
        return "ask", {
            "draws": repr(used.draws),
            "chains": repr(used.chains),
            "temperature": repr(list(used.temperatures) or used.temperature),
            "kernel": used.kernel,
            "warmup": repr(used.warmup),
            "thin": repr(used.thin),
            "boundary": repr(used.boundary),
            "seed": repr(used.seed),
        }

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def load_answer(path: str | Path) -> Answer:
    """Read an answer that `Answer.save` wrote.

    Its ``question`` is a `SavedQuestion`: the words of the question, without the models.

    Raises
    ------
    DataError
        If the file does not exist, is damaged, is not a saved answer, or was written by a newer
        version; names the path and the reason.
    """
    from sondage.persistence import read_answer

    return read_answer(path)


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    view = array.view()
    view.flags.writeable = False
    return view


def _positive(name: str, value: object) -> int:
    whole = plain(value)
    if isinstance(whole, bool) or not isinstance(whole, int) or whole < 1:
        raise DataError(f"{name} = {value!r} must be a positive whole number")
    return whole
