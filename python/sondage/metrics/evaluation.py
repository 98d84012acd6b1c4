"""`evaluate`: counterfactuals in one row of measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import polars as pl

from sondage._arguments import require_model
from sondage.errors import DataError, SpaceError
from sondage.frames import to_narwhals
from sondage.metrics._distances import Scale, changed
from sondage.metrics._neighbours import Neighbourhood, require_scikit_learn
from sondage.metrics._rows import Coding
from sondage.metrics._target import Target
from sondage.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sondage.frames import FrameLike, Table
    from sondage.models import Model

__all__ = ["evaluate"]

_BATCH = 2**17
_NEAREST = 5


def evaluate(
    queries: FrameLike,
    samples: FrameLike,
    model: Model,
    space: Space,
    reference: FrameLike,
    *,
    target: object = None,
) -> pl.DataFrame:
    """Measure counterfactuals, whichever method they are from.

    All measures are taken on decoded rows, in the columns of the space: a category is one column.
    Let x be a query, c a sample of it, D the number of columns, and δ_d the distance in a column: 0
    where x_d = c_d, else |x_d − c_d| / range_d for a number and 1 for a category, with range_d
    the largest less the smallest value in the reference. A number whose column holds
    one value in the reference has δ = 1 once it is changed, and a value beyond the reference δ > 1.
    Values are equal if they are exactly equal; two missing values are, a missing and another are
    not (δ = 1).

    Parameters
    ----------
    queries : frame or 2-D array
        A row for each query, with the columns of the space.
    samples : frame
        As `sd.counterfactuals` returns it: ``query`` (the position in `queries`), ``sample``
        (missing where the query has no answer; such rows are not looked at further) and the
        columns of the space. Others are ignored, ``valid`` too: the model is asked again. A column
        of the space with one of these names keeps it, and ours has a trailing underscore.
    model : Model
    space : Space
        Which columns there are, of which kinds, and what is allowed around a query. A fixed column
        is a number where the reference holds numbers.
    reference : frame or 2-D array
        Rows as they occur, more than 20: for ranges and neighbours. Usually the training rows.
    target : label or (lower, upper), optional
        What the model should predict of the samples; of a regressor a band, one end of which may
        be infinite. Left out: any label but the one that the model predicts of the query.

    Returns
    -------
    polars.DataFrame
        One row. ``validity`` and ``violations`` are about all samples, the rest about the *valid*
        ones, those of which the model predicts the target. A measure of no rows is null.

        - ``validity``: share of the samples that are valid.
        - ``coverage``: share of the queries with a valid sample.
        - ``l0``: changed columns, Σ_d 1[x_d ≠ c_d]; the mean over samples, as of the next five.
        - ``l1``: Σ_d δ_d.
        - ``l2``: (Σ_d δ_d²)^½.
        - ``gower``: Σ_d δ_d / D.
        - ``sparsity``: share of the columns that are unchanged, 1 − l0 / D.
        - ``redundancy``: changed columns that can be set back to the query's value, each by itself,
          while the model still predicts the target.
        - ``diversity``: mean Gower distance of the pairs of samples of a query, then the mean over
          the queries with two samples or more.
        - ``lof``: median of the local outlier factor among the rows of the reference (20
          neighbours, Euclidean; numbers min–max scaled by the reference, categories one-hot). About
          1 for rows like those of the reference, larger for outliers.
        - ``ynn``: of the samples' 5 nearest rows of the reference, in the same distance, the share
          of which the model predicts the target.
        - ``violations``: how many samples lie outside ``space.around(query)``: bounds, unknown
          levels, fixed and one-way columns; all samples of a query around which nothing is allowed.

    Raises
    ------
    DataError
        For a frame that lacks a column, no queries, a reference of 20 rows or fewer, a ``query``
        that is no position, text where the space has numbers, an infinite number, or a value that
        the model does not take.
    QuestionError
        If the model does not predict the target, or is no `Model`.
    ModelError
        If the model reads columns that the space does not have.
    MissingDependencyError
        Without scikit-learn.

    Notes
    -----
    The definitions are those of CARLA (Pawelczyk et al. 2021: redundancy and yNN; distances of
    valid samples only) and DiCE (Mothilal et al. 2020: sparsity; diversity as the mean distance of
    pairs), with a category counted once where they are one-hot, and differences relative to the
    range as Gower (1971). CARLA's L2 is our l2 squared before the mean; its violations count
    columns. A sample that is itself a row of the reference is among its own neighbours, which
    lowers its local outlier factor.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> import sondage as sd
    >>> rows = np.random.default_rng(0).random((200, 2))
    >>> tree = DecisionTreeClassifier(max_depth=1).fit(rows, rows[:, 0] > 0.5)
    >>> space = sd.Space({"x0": sd.Continuous(0, 1), "x1": sd.Continuous(0, 1)})
    >>> samples = pl.DataFrame(
    ...     {"query": [0, 0, 1], "sample": [0, 1, None], "x0": [0.7, 0.9, None],
    ...      "x1": [0.4, 0.6, None]}
    ... )
    >>> found = sd.metrics.evaluate(
    ...     np.array([[0.2, 0.4], [0.3, 0.3]]), samples, sd.as_model(tree), space, rows
    ... )
    >>> found["validity"].item(), found["coverage"].item(), found["l0"].item()
    (1.0, 0.5, 1.5)
    """
    require_model(model)
    if not isinstance(space, Space):
        raise SpaceError(f"space must be a sondage.Space, not {type(space).__name__}")
    model.columns_in(space)
    wanted = Target.checked(model, target)
    require_scikit_learn()
    asked = _read(queries, space, "queries")
    if len(asked) == 0:
        raise DataError("queries has no rows; at least one is needed")
    known = _read(reference, space, "reference")
    found, query = _answers(samples, space, len(asked))
    coding = Coding.of(space, known, (asked, found))
    x, c = coding.encode(asked, "queries"), coding.encode(found, "samples")
    r = coding.encode(known, "reference")
    numeric = coding.numeric
    scale = Scale.of(r, numeric)
    around = Neighbourhood(r, numeric, scale)
    aim = Target(wanted, _predicted(model, coding.decode(x), "queries"))
    valid = aim.met(_predicted(model, coding.decode(c), "samples"), query)
    measured = {
        "validity": _mean(valid),
        "coverage": len(np.unique(query[valid])) / len(x),
        **_distances(x[query[valid]], c[valid], scale),
        "redundancy": _redundancy(x, c[valid], query[valid], coding, model, aim),
        "diversity": _diversity(c[valid], query[valid], scale),
        **_plausibility(around, c[valid], query[valid], coding, model, aim),
    }
    schema = dict.fromkeys(measured, pl.Float64())
    row = pl.DataFrame({name: [value] for name, value in measured.items()}, schema)
    outside = _violations(asked, found, query, space)
    return row.with_columns(violations=pl.lit(outside, pl.Int64()))


def _read(frame: FrameLike, space: Space, what: str) -> Table:
    try:
        return to_narwhals(frame, space.columns)
    except DataError as error:
        raise DataError(f"{what}: {error}") from None


def _answers(samples: FrameLike, space: Space, queries: int) -> tuple[Table, NDArray[np.int64]]:
    """Return the samples that are there and the query of each."""
    if isinstance(samples, np.ndarray):
        raise DataError("samples is an array; a frame with the columns query and sample is needed")
    own = [_own_name(name, space) for name in ("query", "sample")]
    try:
        table = to_narwhals(samples, [*own, *space.columns])
    except DataError as error:
        raise DataError(f"samples: {error}") from None
    query, sample = (table.get_column(name) for name in own)
    if len(table) and not query.dtype.is_integer():
        raise DataError(f"column {own[0]!r} of samples is {query.dtype}; positions are needed")
    missing = sample.is_null()
    if sample.dtype.is_float():
        missing = missing | sample.is_nan()
    there = ~missing.to_numpy().astype(np.bool_)
    position = query.cast(nw.Float64).to_numpy().astype(np.float64)
    wrong = there & ~((position >= 0) & (position < queries))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"column {own[0]!r} of samples is {query[row]} in row {row}; queries has {queries} "
            f"rows, so it must be from 0 to {queries - 1}"
        )
    return table.filter(~missing).select(*space.columns), position[there].astype(np.int64)


def _predicted(model: Model, rows: pl.DataFrame, what: str) -> NDArray[np.generic]:
    """Ask the user's own model."""
    try:
        return model._user_predict(rows)
    except DataError as error:
        raise DataError(f"{what}: {error}") from None


def _own_name(name: str, space: Space) -> str:
    while name in space.columns:
        name += "_"
    return name


def _mean(values: NDArray[np.generic]) -> float | None:
    return float(values.astype(np.float64).mean()) if len(values) else None


def _distances(
    x: NDArray[np.float64], c: NDArray[np.float64], scale: Scale
) -> dict[str, float | None]:
    delta = scale.distances(x, c)
    l0, l1 = changed(x, c).sum(axis=1), delta.sum(axis=1)
    return {
        "l0": _mean(l0),
        "l1": _mean(l1),
        "l2": _mean(np.sqrt((delta**2).sum(axis=1))),
        "gower": _mean(l1 / c.shape[1]),
        "sparsity": _mean(1.0 - l0 / c.shape[1]),
    }


def _redundancy(
    x: NDArray[np.float64],
    c: NDArray[np.float64],
    query: NDArray[np.int64],
    coding: Coding,
    model: Model,
    aim: Target,
) -> float | None:
    if len(c) == 0:
        return None
    rows, columns = np.nonzero(changed(x[query], c))
    kept = 0
    for first in range(0, len(rows), _BATCH):
        row, column = rows[first : first + _BATCH], columns[first : first + _BATCH]
        back = c[row]
        back[np.arange(len(row)), column] = x[query[row], column]
        kept += int(aim.met(model.predict(coding.decode(back)), query[row]).sum())
    return kept / len(c)


def _diversity(c: NDArray[np.float64], query: NDArray[np.int64], scale: Scale) -> float | None:
    means = []
    for q in np.unique(query):
        rows = c[query == q]
        first, second = np.triu_indices(len(rows), 1)
        if len(first):
            means.append(scale.distances(rows[first], rows[second]).mean())
    return _mean(np.array(means))


def _plausibility(
    around: Neighbourhood,
    c: NDArray[np.float64],
    query: NDArray[np.int64],
    coding: Coding,
    model: Model,
    aim: Target,
) -> dict[str, float | None]:
    if len(c) == 0:
        return {"lof": None, "ynn": None}
    lof, nearest = around.look(c, _NEAREST)
    rows, place = np.unique(nearest.ravel(), return_inverse=True)
    predicted = model.predict(coding.decode(around.reference[rows]))
    met = aim.met(predicted[place], np.repeat(query, _NEAREST))
    return {"lof": float(np.median(lof)), "ynn": _mean(met)}


def _violations(queries: Table, samples: Table, query: NDArray[np.int64], space: Space) -> int:
    outside = 0
    for q in np.unique(query):
        rows = samples[np.flatnonzero(query == q)].to_native()
        asked = dict(zip(queries.columns, queries.row(int(q)), strict=True))
        try:
            outside += int((~space.around(asked).contains(rows)).sum())
        except SpaceError:  # nothing is allowed around a query that is itself not
            outside += len(rows)
    return outside
