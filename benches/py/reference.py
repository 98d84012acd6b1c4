"""Densities learned from FICO and Adult: log-likelihood of rows that they have not seen.

SONDAGE_BENCH_DATA=../shared/data python benches/py/reference.py

Rows are told apart first (repeated ones dropped), then split 70/30 at random with each of three
seeds; every method learns from the same 70 % and is scored on the same 30 %: the mean natural
logarithm of the density, per row.

All columns: the tree against its own columns as independent, with the same cells, both on the
space of all the data, so that values beyond the 70 % have a density too.

Columns of numbers: these are integers, and mixtures and kernels have densities on the reals. So a
uniform number from (-½, ½) is added to every value, for learning and for scoring; a tree gives
every whole number's probability to the unit around it, so that its density there is its
probability and does not depend on what was added. A mixture's does: `whole` averages the density
of each held-out row over 32 such additions, which estimates the probability of the row itself.
Mixtures and kernels see columns divided by their standard deviations, and their densities are
brought back. GaussianMixture has full covariances and 1 to 64 components, by its own BIC;
KernelDensity a Gaussian kernel whose bandwidth 5-fold cross-validation chooses on 3,000 rows.
"""

from __future__ import annotations

import gzip
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

import sondage as sd
from sondage.reference import TreeDensity
from sondage.reference._passes import marginals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEEDS = (0, 1, 2)
COMPONENTS = (1, 2, 4, 8, 16, 32, 64)
BANDWIDTHS = np.geomspace(0.02, 1.0, 12)
ADDITIONS = 32
#: Rows of which a kernel density is averaged over additions: it costs the most.
KERNEL_ROWS = 300


def load() -> dict[str, pl.DataFrame]:
    """Return the two frames without repeated rows."""
    folder = Path(os.environ.get("SONDAGE_BENCH_DATA", "../shared/data")) / "tabular"
    adult = gzip.decompress((folder / "adult.csv.gz").read_bytes())
    frames = {"FICO": pl.read_csv(folder / "FICO_dataset.csv"), "Adult": pl.read_csv(adult)}
    return {name: frame.unique(maintain_order=True) for name, frame in frames.items()}


def split(frame: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return 70 % of the rows and the others."""
    order = np.random.default_rng(seed).permutation(len(frame))
    n = int(0.7 * len(frame))
    return frame[order[:n]], frame[order[n:]]


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives and its seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def independent(tree: TreeDensity) -> TreeDensity:
    """Return the tree's columns as independent, with the same cells."""
    alone = [np.log(own)[np.newaxis] for own in marginals(tree._parents, tree._log_shares)]
    return TreeDensity._of(tree.columns, tree._cells, [-1] * len(alone), alone, tree._rows)


def by_tree(
    train: pl.DataFrame, test: pl.DataFrame, space: sd.Space, bins: int | None = None
) -> dict[str, list[float]]:
    """Score the tree and its columns as independent: log-density, seconds to fit, µs a row."""
    fitted, fit = timed(lambda: sd.reference.chow_liu(train, bins=bins))
    result = {}
    for name, density in (("tree", fitted), ("independent", independent(fitted))):
        own = density.on(space)
        found, seconds = timed(lambda: own.log_density(test))  # noqa: B023 - called at once
        result[name] = [float(found.mean()), np.nan, fit, 1e6 * seconds / len(test)]
    return result


def by_mixtures(train: pl.DataFrame, test: pl.DataFrame, seed: int) -> dict[str, list[float]]:
    """Score scikit-learn's densities of the dequantised columns."""
    rng = np.random.default_rng(seed)
    learn = train.to_numpy() + rng.uniform(-0.5, 0.5, train.shape)
    middle, scale = learn.mean(axis=0), learn.std(axis=0)
    learn = (learn - middle) / scale
    volume = float(np.log(scale).sum())

    def added(rows: pl.DataFrame) -> NDArray[np.float64]:
        values = rows.to_numpy() + rng.uniform(-0.5, 0.5, rows.shape)
        return np.asarray((values - middle) / scale)

    def mixture() -> GaussianMixture:
        fitted = [GaussianMixture(k, random_state=seed).fit(learn) for k in COMPONENTS]
        return min(fitted, key=lambda model: model.bic(learn))

    def kernels() -> KernelDensity:
        search = GridSearchCV(KernelDensity(rtol=1e-4), {"bandwidth": BANDWIDTHS}, cv=5)
        search.fit(learn[:3000])
        return KernelDensity(bandwidth=search.best_params_["bandwidth"], rtol=1e-4).fit(learn)

    result = {}
    for name, fitting, few in (
        ("GaussianMixture", mixture, test),
        ("KernelDensity", kernels, test[:KERNEL_ROWS]),
    ):
        model, fit = timed(fitting)
        rows = added(test)
        found, seconds = timed(lambda: model.score_samples(rows))  # noqa: B023 - called at once
        draws = np.array([model.score_samples(added(few)) for _ in range(ADDITIONS)])
        largest = draws.max(axis=0)
        whole = largest + np.log(np.exp(draws - largest).mean(axis=0))
        # Over the rows averaged, by how much the average lies above a single addition.
        above = float(whole.mean() - draws.mean())
        single = float(found.mean()) - volume
        result[name] = [single, single + above, fit, 1e6 * seconds / len(test)]
        chosen = getattr(model, "n_components", getattr(model, "bandwidth", None))
        print(f"  {name}: {chosen}", file=sys.stderr)
    return result


def table(results: list[dict[str, list[float]]]) -> None:
    """Print the means over the seeds, and how much the first number varies between them."""
    print("| | log-density a row | sd of splits | whole | s to learn | µs a row |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in results[0]:
        values = np.array([result[name] for result in results])
        spread = values[:, 0].std(ddof=1)
        mean, whole, fit, each = values.mean(axis=0)
        told = "the same" if np.isnan(whole) else f"{whole:.2f}"
        print(f"| {name} | {mean:.2f} | {spread:.2f} | {told} | {fit:.2f} | {each:.1f} |")


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, frame in load().items():
        space = sd.Space.from_frame(frame)
        halves = [split(frame, seed) for seed in SEEDS]
        print(f"\n{name}, {len(frame):,} rows, all {frame.width} columns\n")
        table([by_tree(*half, space) for half in halves])
        numbers = frame.select(pl.col(pl.Int64)).columns
        print(f"\n{name}, the {len(numbers)} columns of numbers\n")
        inner = sd.Space({column: space.kinds[column] for column in numbers})
        own = [(train.select(numbers), test.select(numbers)) for train, test in halves]
        table(
            [
                by_tree(*half, inner) | by_mixtures(*half, seed)
                for half, seed in zip(own, SEEDS, strict=True)
            ]
        )
        print(f"\n{name}, all columns, by `bins`\n\n| bins | log-density a row |\n|---|---:|")
        for bins in (4, 8, 16, 32, 64, 128, 256, None):
            found = [by_tree(*half, space, bins)["tree"][0] for half in halves]
            print(f"| {bins} | {np.mean(found):.2f} |")
        fitted = sd.reference.chow_liu(frame)
        _, seconds = timed(lambda: fitted.sample(100_000, seed=0))  # noqa: B023 - called at once
        print(f"\n{seconds * 10:.1f} µs a draw; {fitted!r}", flush=True)
    print(f"\nscikit-learn {sklearn.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
