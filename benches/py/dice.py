"""Counterfactuals beside dice-ml: how good and how fast, on Adult and FICO.

SONDAGE_BENCH_DATA=../shared/data python benches/py/dice.py [--queries 100] [--samples 10]
    [--data adult fico] [--models xgboost logistic] [--search linear]
    [--methods random genetic kdtree queries rows sondage]

Every method gets the same fitted models, queries, fixed columns and number of samples a query, in
one process; `sd.metrics.evaluate` measures all alike, with the training rows as the reference.

Adult: 14 columns, UCI's split, one-hot categories in a Pipeline. Queries are test rows that the
model predicts as <=50K, the target is >50K; age, race, gender and native-country are fixed.
FICO: 23 integer columns, codes below zero as they are, rows of nothing but -9 left out, four of
five rows train. Queries are predicted as Bad, the target is Good; nothing is fixed.
Every column stays in the range, every category among the levels, of the training rows.

`queries` takes the queries themselves, valid as what they are: how plausible they are. `rows` takes
rows of the test set that the model predicts as the target, at random: what plausible rows score.
DiCE runs with its defaults, query by query; a query for which it raises has no answer, and the
errors are listed. Its samples are those after its own sparsity step, whose linear search walks wide
columns such as capital-gain one unit and one prediction at a time; `--search binary` is its other
one. Seconds are those of generating, without building explainers.

Runs with dice-ml 0.12, pandas 3.1, scikit-learn 1.9 and xgboost 3.2. dice-ml asks for the xgboost
of the index; xgboost-cpu serves as well: pip install --no-deps dice-ml raiutils, then
jsonschema, requests, tqdm.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder
from xgboost import XGBClassifier

import sondage as sd

if TYPE_CHECKING:
    from collections.abc import Callable

#: Samples when called, and how often which error was raised meanwhile.
Method: TypeAlias = "tuple[Callable[[], pl.DataFrame], Counter[str]]"

MEASURES = ("validity", "coverage", "l0", "l1", "l2", "redundancy", "diversity", "lof", "ynn")
TARGET = 1


@dataclass(frozen=True)
class Data:
    """Rows of a data set; the outcome is 1 where it is what people want."""

    name: str
    outcome: str
    train: pd.DataFrame
    test: pd.DataFrame
    fixed: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Columns that models read."""
        return [name for name in self.train.columns if name != self.outcome]

    @property
    def numbers(self) -> list[str]:
        """Those of them that are numbers."""
        return [n for n in self.columns if pd.api.types.is_numeric_dtype(self.train[n])]

    @property
    def texts(self) -> list[str]:
        """Those of them that are categories."""
        return [name for name in self.columns if name not in self.numbers]


@dataclass(frozen=True)
class Problem:
    """A fitted model and the rows for which it predicts what nobody wants."""

    data: Data
    fitted: Any
    model: sd.Model
    space: sd.Space
    queries: pd.DataFrame


def adult(folder: Path) -> Data:
    """Read Adult: the first 16,281 rows are UCI's test set."""
    frame = pd.read_csv(folder / "adult.csv.gz", skipinitialspace=True)
    frame["income"] = (frame["income"] == ">50K").astype(int)
    fixed = ("age", "race", "gender", "native-country")
    return Data("Adult", "income", frame[16_281:], frame[:16_281], fixed)


def fico(folder: Path) -> Data:
    """Read FICO."""
    frame = pd.read_csv(folder / "FICO_dataset.csv")
    frame["RiskPerformance"] = (frame["RiskPerformance"] == "Good").astype(int)
    frame = frame[(frame.drop(columns="RiskPerformance") != -9).any(axis=1)]
    frame = frame.sample(frac=1.0, random_state=0)
    cut = len(frame) // 5
    return Data("FICO", "RiskPerformance", frame[cut:], frame[:cut], ())


def fit(data: Data, family: str) -> Any:  # noqa: ANN401 - a pipeline of an untyped library
    """Fit a model of raw columns."""
    numbers: Any = "passthrough"
    last: Any = XGBClassifier(n_estimators=200, max_depth=6, n_jobs=1, random_state=0)
    if family == "logistic":
        numbers, last = MinMaxScaler(), LogisticRegression(max_iter=2_000)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), data.texts),
        (numbers, data.numbers),
    )
    pipeline = make_pipeline(encode, last)
    return pipeline.fit(data.train[data.columns], data.train[data.outcome])


def problem(data: Data, family: str, n: int) -> Problem:
    """Fit a model and choose n test rows that it predicts as the other class."""
    fitted = fit(data, family)
    test = data.test[data.columns]
    low = test[fitted.predict(test) != TARGET]
    known = low[data.texts].apply(lambda column: column.isin(data.train[column.name].unique()))
    space = sd.Space.from_frame(data.train[data.columns], fixed=data.fixed)
    inside = known.all(axis=1).to_numpy() & space.contains(low)
    queries = low[inside].sample(n, random_state=0).reset_index(drop=True)
    return Problem(data, fitted, sd.as_model(fitted), space, queries)


def sampled(parts: list[pd.DataFrame | None], columns: list[str]) -> pl.DataFrame:
    """Put the samples of all queries in the form of `sd.counterfactuals`."""
    found = []
    for query, part in enumerate(parts):
        if part is not None and len(part):
            rows = pl.from_pandas(part[columns].reset_index(drop=True))
            own = pl.DataFrame({"query": [query] * len(rows), "sample": range(len(rows))})
            found.append(pl.concat([own, rows], how="horizontal"))
    empty = pl.DataFrame(schema=["query", "sample", *columns])
    return pl.concat(found, how="vertical_relaxed") if found else empty


def of_dice(problem: Problem, n: int, search: str, method: str) -> Method:
    """Return DiCE, its explainer built, and the errors it will have raised."""
    import dice_ml

    data, errors = problem.data, Counter[str]()
    free = [name for name in data.columns if name not in data.fixed]
    source = dice_ml.Data(
        dataframe=data.train, continuous_features=data.numbers, outcome_name=data.outcome
    )
    explainer = dice_ml.Dice(
        source, dice_ml.Model(model=problem.fitted, backend="sklearn"), method=method
    )

    def answer(query: pd.DataFrame) -> pd.DataFrame | None:
        settings: dict[str, Any] = {"posthoc_sparsity_algorithm": search}
        if method == "random":
            settings["random_seed"] = 0
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = explainer.generate_counterfactuals(
                    query, n, desired_class=TARGET, features_to_vary=free, **settings
                )
            except Exception as error:  # noqa: BLE001 - whatever it raises is no answer
                errors[f"{type(error).__name__}: {error}"[:100]] += 1
                return None
        example = found.cf_examples_list[0]
        sparse = example.final_cfs_df_sparse
        chosen: pd.DataFrame | None = example.final_cfs_df if sparse is None else sparse
        return chosen

    def run() -> pl.DataFrame:
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 - DiCE draws from it
        queries = problem.queries
        return sampled([answer(queries[i : i + 1]) for i in range(len(queries))], data.columns)

    return run, errors


def of_rows(problem: Problem, n: int, _: str) -> Method:
    """Take rows of the test set that the model predicts as the target."""
    test = problem.data.test[problem.data.columns]
    wanted = test[problem.fitted.predict(test) == TARGET]

    def run() -> pl.DataFrame:
        parts: list[pd.DataFrame | None] = [
            wanted.sample(n, random_state=i) for i in range(len(problem.queries))
        ]
        return sampled(parts, problem.data.columns)

    return run, Counter()


def of_queries(problem: Problem, _: int, __: str) -> Method:
    """Take the queries."""
    queries = problem.queries
    return partial(
        sampled, [queries[i : i + 1] for i in range(len(queries))], problem.data.columns
    ), Counter()


def of_sondage(problem: Problem, n: int, _: str) -> Method:
    """Ask for counterfactuals among rows as plausible as the training rows."""
    rows = problem.data.train[problem.data.columns]
    space = sd.Space.from_frame(
        rows, fixed=problem.data.fixed, reference=sd.reference.chow_liu(rows)
    )
    arguments = (problem.model, problem.queries, TARGET, space)
    return partial(sd.counterfactuals, *arguments, n=n, seed=0), Counter()


METHODS: dict[str, Callable[[Problem, int, str], Method]] = {
    "random": partial(of_dice, method="random"),
    "genetic": partial(of_dice, method="genetic"),
    "kdtree": partial(of_dice, method="kdtree"),
    "queries": of_queries,
    "rows": of_rows,
    "sondage": of_sondage,
}


def measure(problem: Problem, n: int, search: str, method: str) -> tuple[list[str], Counter[str]]:
    """Return the cells of a method and the errors it raised."""
    run, errors = METHODS[method](problem, n, search)
    start = time.perf_counter()
    samples = run()
    seconds = time.perf_counter() - start
    reference = problem.data.train[problem.data.columns]
    target = 1 - TARGET if method == "queries" else TARGET
    found = sd.metrics.evaluate(
        problem.queries, samples, problem.model, problem.space, reference, target=target
    ).row(0, named=True)
    returned = samples["sample"].drop_nulls().len()
    valid = round((found["validity"] or 0.0) * returned)
    cells = ["–" if found[name] is None else f"{found[name]:.3f}" for name in MEASURES]
    cells += [f"{found['violations']} of {returned:,}"]
    cells += (
        ["–", "–"]
        if method in {"queries", "rows"}
        else [f"{seconds:.2f}", f"{valid / seconds:,.1f}"]
    )
    return cells, errors


def main() -> None:
    """Print a table in markdown, line by line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--data", nargs="+", choices=("adult", "fico"), default=("adult", "fico"))
    parser.add_argument(
        "--models", nargs="+", choices=("xgboost", "logistic"), default=("xgboost", "logistic")
    )
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--search", choices=("linear", "binary"), default="linear")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = Path(os.environ.get("SONDAGE_BENCH_DATA", "../shared/data")) / "tabular"
    header = ["data", "model", "method", *MEASURES, "violations", "seconds", "valid a second"]
    print("| " + " | ".join(header) + " |")
    print("|---|---|---|" + "---:|" * (len(header) - 3), flush=True)
    notes: list[str] = []
    for name in chosen.data:
        data = {"adult": adult, "fico": fico}[name](folder)
        for family in chosen.models:
            asked = problem(data, family, chosen.queries)
            for method in chosen.methods:
                cells, errors = measure(asked, chosen.samples, chosen.search, method)
                print("| " + " | ".join([data.name, family, method, *cells]) + " |", flush=True)
                notes += [
                    f"{data.name}, {family}, {method}: {count} queries: {error}"
                    for error, count in errors.items()
                ]
    print("\n".join(["", *notes, f"Python {sys.version.split()[0]}"]))


if __name__ == "__main__":
    main()
