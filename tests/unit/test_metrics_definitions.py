"""Measures of counterfactuals beside slow, plain definitions on random rows of mixed columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pipelines import one_hot_tree

import sondage as sd


def mixed(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            "kind": rng.choice(["a", "b", "c"], n),
            "code": rng.choice([10, 20, 30], n),
            "same": np.full(n, 2.5),
            "weight": rng.exponential(size=n),
        }
    )


def plain_lof(points: NDArray[np.float64], new: NDArray[np.float64], k: int) -> list[float]:
    """Breunig et al. (2000), of points that are not among the first."""

    def among(x: NDArray[np.float64], skip: int | None) -> list[tuple[float, int]]:
        far = [(float(np.linalg.norm(x - o)), i) for i, o in enumerate(points) if i != skip]
        return sorted(far)[:k]

    def density(near: list[tuple[float, int]]) -> float:
        return 1 / float(np.mean([max(reach[i], distance) for distance, i in near]))

    nearest = [among(o, i) for i, o in enumerate(points)]
    reach = [near[-1][0] for near in nearest]
    densities = [density(near) for near in nearest]
    own = [among(x, None) for x in new]
    return [float(np.mean([densities[i] for _, i in near])) / density(near) for near in own]


def plain_measures(
    queries: pd.DataFrame,
    samples: pd.DataFrame,
    predict: Callable[[pd.DataFrame], NDArray[Any]],
    space: sd.Space,
    reference: pd.DataFrame,
    target: object,
) -> dict[str, float]:
    names = space.columns
    numbers = ["size", "count", "same", "weight"]
    width = {name: reference[name].max() - reference[name].min() for name in numbers}

    def label(row: pd.Series) -> Any:
        return predict(pd.DataFrame([row[names]]).astype(reference.dtypes))[0]

    def meets(row: pd.Series, query: int) -> bool:
        own = label(queries.iloc[query])
        return bool(label(row) != own if target is None else label(row) == target)

    def delta(a: pd.Series, b: pd.Series, name: str) -> float:
        if a[name] == b[name]:
            return 0.0
        return abs(a[name] - b[name]) / width[name] if width.get(name, 0) > 0 else 1.0

    def point(row: pd.Series) -> NDArray[np.float64]:
        at = []
        for name in names:
            if name == "same":
                at.append(float(row[name] != 2.5))
            elif name in numbers:
                at.append((row[name] - reference[name].min()) / width[name])
            else:
                at += [float(row[name] == level) for level in sorted(set(reference[name]))]
        return np.array(at)

    rows = [
        (int(row["query"]), row[names]) for _, row in samples.dropna(subset="sample").iterrows()
    ]
    valid = [(q, row) for q, row in rows if meets(row, q)]
    points = np.array([point(row) for _, row in reference.iterrows()])
    redundant, near, pairs = 0, [], []
    for q, row in valid:
        for name in names:
            if row[name] != queries[name].iloc[q]:
                back = row.copy()
                back[name] = queries[name].iloc[q]
                redundant += meets(back, q)
        order = np.argsort(np.linalg.norm(points - point(row), axis=1))[:5]
        near += [meets(reference.iloc[int(i)], q) for i in order]
    for q in range(len(queries)):
        own = [row for other, row in valid if other == q]
        gower = [
            np.mean([delta(own[i], own[j], name) for name in names])
            for i in range(len(own))
            for j in range(i)
        ]
        pairs += [np.mean(gower)] if gower else []
    deltas = np.array([[delta(queries.iloc[q], row, name) for name in names] for q, row in valid])
    outside = [
        not space.around(dict(queries[names].iloc[q])).contains(pd.DataFrame([row]).infer_objects())
        for q, row in rows
    ]
    return {
        "validity": len(valid) / len(rows),
        "coverage": len({q for q, _ in valid}) / len(queries),
        "l0": float((deltas > 0).sum(axis=1).mean()),
        "l1": float(deltas.sum(axis=1).mean()),
        "l2": float(np.linalg.norm(deltas, axis=1).mean()),
        "gower": float(deltas.mean()),
        "sparsity": float((deltas == 0).mean()),
        "redundancy": redundant / len(valid),
        "diversity": float(np.mean(pairs)),
        "lof": float(np.median(plain_lof(points, np.array([point(row) for _, row in valid]), 20))),
        "ynn": float(np.mean(near)),
        "violations": sum(outside),
    }


@pytest.mark.parametrize(("seed", "target"), [(1, None), (2, None), (3, "mid"), (4, "low")])
def test_measures_are_those_of_their_plain_definitions(seed: int, target: object) -> None:
    reference, queries = mixed(60, seed), mixed(4, seed + 100)
    made, rng = mixed(20, seed + 200), np.random.default_rng(seed)
    labels = np.array(["low", "mid", "high"])[
        (reference["size"] > 0.3).to_numpy().astype(int)
        + (reference["kind"] == "a").to_numpy().astype(int)
    ]
    fitted = one_hot_tree(reference, labels)
    made["query"] = np.repeat(np.arange(4), 5)
    for name in reference.columns:  # about half of the values are the query's
        kept = rng.random(20) < 0.5
        made.loc[kept, name] = queries[name].iloc[made["query"][kept]].to_numpy()
    made.loc[[3, 11], "same"] = 2.0
    made.loc[4, "kind"] = "new"
    made["sample"] = np.where(made["query"] == 3, np.nan, np.arange(20) % 5)
    space = sd.Space.from_frame(
        reference,
        categorical=["code"],
        bounds={"size": (-4, 4), "weight": (0, 9)},
        increase_only=["count"],
    )
    arguments = (queries, made, fitted.predict, space, reference, target)
    model = sd.as_model(fitted)
    found = sd.metrics.evaluate(queries, made, model, space, reference, target=target)
    assert found.row(0, named=True) == pytest.approx(plain_measures(*arguments), rel=1e-7)
