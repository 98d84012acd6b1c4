"""Random frames, spaces, models, questions and conditions, with formulas that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from formulas import Array, fixed_label, fixed_value, negative_entropy, of_estimator, risky
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import Axis, OfRows, Table

import sondage as sd

LEVELS = ["p", "q", "r", "s"]
ROWS, MOST_POINTS, WIDEST = 200, 40_000, 8.0


@dataclass(frozen=True)
class Case:
    space: sd.Space
    question: sd.Question
    temperature: float
    table: Table


def case(seed: int) -> Case:
    """Make the seed's case: its first that a good share of the base measure answers."""
    rng = np.random.default_rng(seed)
    while True:
        found = _attempt(rng)
        if found is not None:
            return found


def _attempt(rng: np.random.Generator) -> Case | None:
    kinds = rng.choice(["level", "whole", "real"], rng.integers(1, 5)).tolist()
    if kinds.count("real") > 2:
        return None
    extra = rng.choice(["neither", "reference", "missing"])
    data, hidden = training(kinds, rng, holes=extra == "missing")
    bins = int(rng.integers(2, 5))
    space = sd.Space.from_frame(
        data,
        missing="allow" if extra == "missing" else "forbid",
        bounds=bounds(data, rng),
        reference=sd.reference.chow_liu(data, bins=bins) if extra == "reference" else None,
    )
    if len(kinds) > 2 and rng.random() < 0.3:
        name = str(rng.choice(data.columns))
        held = data[name].drop_nulls().filter(space.contains(data.drop_nulls(name)))
        if len(held):
            space = space.fix({name: held[0]})
    edges: dict[str, set[float]] = {name: set() for name in data.columns}
    if space.reference is not None:
        for name in _reals(space):
            edges[name] |= set(space.reference.cells[name].edges)
    parts: list[tuple[float, sd.Question, OfRows]] = []
    for _ in range(rng.integers(1, 3)):
        fitted = a_model(data, hidden, rng)
        for name in _reals(space):
            edges[name] |= corners(fitted, name, space.kinds[name])
        parts.append((float(rng.uniform(0.3, 2.0)), *about(fitted, rng)))
    if rng.random() < 0.6:
        parts.append((float(rng.uniform(0.3, 2.0)), *nearness(data, space, edges, rng)))
    holds = []
    for text, formula in conditions(space, data, edges, rng):
        try:
            space = space.where(text)
        except sd.SpaceError:  # no row meets it
            return None
        holds.append(formula)
    if not space.free:
        return None
    axes = [
        Axis.of(name, space.kinds[name], edges[name], data[name].null_count() / ROWS)
        for name in space.free
    ]
    if np.prod([len(axis.values) for axis in axes]) > MOST_POINTS:
        return None
    question = sum(
        (weight * term for weight, term, _ in parts[1:]), start=parts[0][0] * parts[0][1]
    )
    temperature = float(rng.uniform(0.3, 2.0))

    def energy(points: pl.DataFrame) -> Array:
        return np.sum([weight * formula(points) for weight, _, formula in parts], axis=0)

    table = Table.of(space, axes, data, energy, holds, temperature)
    if table.range_of_energy > WIDEST:
        return None
    law = table.law()
    answered = (table.law("question") * (law > 0.0)).sum()
    return (
        Case(space, question, temperature, table) if answered > 0.05 and law.max() < 0.9 else None
    )


def training(
    kinds: Sequence[str], rng: np.random.Generator, *, holes: bool
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Columns that hang together, some with missing values, and what they hang on."""
    hidden = rng.integers(0, 3, ROWS)
    columns = []
    for j, kind in enumerate(kinds):
        many = int(rng.integers(2, 5))
        noisy = np.where(rng.random(ROWS) < 0.6, hidden, rng.integers(0, 6, ROWS))
        values: list[Any]
        if kind == "level":
            values = [LEVELS[k % many] for k in noisy]
        elif kind == "whole":
            values = (rng.integers(-3, 3) + noisy % (many + 1)).tolist()
        else:
            values = (
                rng.uniform(-2, 2) + rng.uniform(0.5, 3) * (noisy + rng.random(ROWS))
            ).tolist()
        if holes and (j == 0 or rng.random() < 0.5):
            gone = rng.random(ROWS) < rng.uniform(0.1, 0.4)
            values = [None if no else value for no, value in zip(gone, values, strict=True)]
        columns.append(pl.Series(f"c{j}", values))
    return pl.DataFrame(columns), hidden


def bounds(data: pl.DataFrame, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Return bounds inside or beyond the data, for some columns."""
    found: dict[str, tuple[float, float]] = {}
    for name, dtype in data.schema.items():
        if dtype == pl.String or rng.random() < 0.5:
            continue
        low, high = data[name].min(), data[name].max()
        one = 1 if dtype == pl.Int64 else 0.2 * (high - low)
        low, high = low + one * int(rng.integers(-1, 2)), high + one * int(rng.integers(-1, 2))
        if low < high:
            found[name] = (low, high)
    return found


def a_model(data: pl.DataFrame, hidden: NDArray[np.int64], rng: np.random.Generator) -> Pipeline:
    state = int(rng.integers(1000))
    holes = any(data[name].null_count() for name in data.columns)
    small: dict[str, Any] = {"min_samples_leaf": 10, "random_state": state}
    estimators = [
        LogisticRegression(C=0.3),
        LinearRegression(),
        DecisionTreeClassifier(max_depth=3, **small),
        DecisionTreeRegressor(max_depth=3, **small),
        RandomForestClassifier(3, max_depth=2, **small),
        GradientBoostingClassifier(n_estimators=3, max_depth=2, random_state=state),
    ]
    # The last has no rule for missing values.
    estimator = estimators[rng.integers(len(estimators) - holes)]
    words = [name for name, dtype in data.schema.items() if dtype == pl.String]
    numbers = [name for name in data.columns if name not in words]
    steps = [(OneHotEncoder(), words)] if words else []
    if numbers:
        steps.append((SimpleImputer() if _smooth(estimator) and holes else "passthrough", numbers))
    noisy = np.where(rng.random(ROWS) < 0.7, hidden, rng.integers(0, 3, ROWS))
    if not hasattr(estimator, "predict_proba"):
        noisy = noisy + 0.3 * rng.normal(size=ROWS)
    elif rng.random() < 0.5:
        noisy = np.minimum(noisy, 1)
    return make_pipeline(make_column_transformer(*steps), estimator).fit(data.to_pandas(), noisy)


def corners(fitted: Pipeline, name: str, kind: sd.space.Column) -> set[float]:
    """Thresholds of a column in trees; of a smooth model, ends of cells fit for quadrature."""
    estimator = fitted[-1]
    if _smooth(estimator):
        assert isinstance(kind, sd.Continuous)
        return set(np.linspace(kind.lower, kind.upper, 6)[1:-1].tolist())
    at = list(fitted[0].get_feature_names_out()).index(f"passthrough__{name}")
    trees = np.ravel(estimator.estimators_) if hasattr(estimator, "estimators_") else [estimator]
    return {
        float(cut)
        for each in trees
        for cut, feature in zip(each.tree_.threshold, each.tree_.feature, strict=True)
        if feature == at
    }


def about(fitted: Pipeline, rng: np.random.Generator) -> tuple[sd.Question, OfRows]:
    """Return a question about a model, and its formula over what the model's library says."""
    model, plain = sd.as_model(fitted), of_estimator(fitted)
    if plain.n_classes == 0:
        low, high = np.sort(rng.uniform(0.0, 2.0, 2)).tolist()
        formula = fixed_value(plain, low, high, 0.5)
        return sd.fixed_label(model, (low, high), scale=0.5), lambda rows: formula(rows.to_pandas())
    index = int(rng.integers(plain.n_classes))
    label = fitted.classes_[index].item()
    # Where a smooth model changes its mind is at no edge.
    asks = ["cross_entropy", "squared", "risky"] + ["require"] * 2 * (not _smooth(fitted[-1]))
    which = str(rng.choice(asks))
    if which == "require":
        return sd.require(model, label), lambda rows: np.where(
            fitted.predict(rows.to_pandas()) == label, 0.0, np.inf
        )
    if which == "risky" and plain.n_classes == 2:
        question, formula = sd.prediction_risky(model, level=0.4), risky(plain, 0.4, 2, "proba")
    elif which == "risky":
        question, formula = sd.prediction_risky(model, entropy=True), negative_entropy(plain)
    else:
        question = sd.fixed_label(model, label, loss=which)  # type: ignore[arg-type]
        formula = fixed_label(plain, index, which, 1.0)
    return question, lambda rows: formula(rows.to_pandas())


def nearness(
    data: pl.DataFrame, space: sd.Space, edges: dict[str, set[float]], rng: np.random.Generator
) -> tuple[sd.Question, OfRows]:
    row = data.row(int(rng.integers(ROWS)), named=True)
    norm = int(rng.integers(1, 3))
    widths = {
        name: float(kind.upper - kind.lower)
        if isinstance(kind, sd.Integer | sd.Continuous)
        else 1.0
        for name, kind in space.kinds.items()
    }
    weights = {name: float(rng.uniform(0.0, 1.5)) / width**norm for name, width in widths.items()}
    for name in _reals(space):
        edges[name] |= {row[name]} - {None}

    def apart(name: str, value: Any) -> float:
        anchor = row[name]
        if isinstance(value, str) or isinstance(anchor, str):
            return float(value != anchor)
        if value is None or anchor is None:
            return widths[name] * float(value is not anchor)
        return float(abs(value - anchor))

    def distance(rows: pl.DataFrame) -> Array:
        return np.sum(
            [
                weight * np.array([apart(name, value) for value in rows[name].to_list()]) ** norm
                for name, weight in weights.items()
            ],
            axis=0,
        )

    return sd.near(row, weights=weights, norm=norm), distance  # type: ignore[arg-type]


def conditions(
    space: sd.Space, data: pl.DataFrame, edges: dict[str, set[float]], rng: np.random.Generator
) -> list[tuple[str, OfRows]]:
    """Return a condition or none, as text and as a function."""
    atoms: list[tuple[str, OfRows]] = []
    for name in space.free:
        kind = space.kinds[name]
        if data[name].null_count():
            continue
        if isinstance(kind, sd.Categorical):
            some = [str(level) for level in rng.choice(kind.levels, 2)]  # type: ignore[arg-type]
            atoms.append((f"{name} in {some}", lambda f, n=name, s=some: f[n].is_in(s).to_numpy()))
            continue
        assert isinstance(kind, sd.Integer | sd.Continuous)
        at = float(rng.uniform(kind.lower, kind.upper))
        if isinstance(kind, sd.Continuous):
            edges[name].add(at)
        atoms.append((f"{name} <= {at!r}", lambda f, n=name, t=at: (f[n] <= t).to_numpy()))
        atoms.append((f"{name} > {at!r}", lambda f, n=name, t=at: (f[n] > t).to_numpy()))
    whole = [
        name
        for name in space.free
        if isinstance(space.kinds[name], sd.Integer) and not data[name].null_count()
    ]
    if len(whole) > 1:
        a, b = whole[:2]
        atoms.append((f"{a} + {b} <= 2", lambda f: (f[a] + f[b] <= 2).to_numpy()))
    if not atoms or rng.random() < 0.5:
        return []
    (one, first), (two, second) = (atoms[i] for i in rng.integers(len(atoms), size=2))
    return [
        [(one, first)],
        [(f"{one} => {two}", lambda f: ~first(f) | second(f))],
        [(f"{one} or {two}", lambda f: first(f) | second(f))],
    ][rng.integers(3)]


def _smooth(estimator: object) -> bool:
    return isinstance(estimator, LogisticRegression | LinearRegression)


def _reals(space: sd.Space) -> list[str]:
    return [name for name, kind in space.kinds.items() if isinstance(kind, sd.Continuous)]
