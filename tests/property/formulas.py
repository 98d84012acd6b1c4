"""Questions written a second time: plain formulas over what the models' own libraries say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
G: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Plain:
    """A model as its own library evaluates it.

    `score` is (rows,) of a margin or a value, else (rows, classes); `label` the position of the
    predicted class.
    """

    n_classes: int
    score: Callable[[Array], Array]
    proba: Callable[[Array], Array] | None = None
    label: Callable[[Array], NDArray[np.int64]] | None = None
    members: tuple[tuple[float, Plain], ...] = ()

    @property
    def own_members(self) -> tuple[tuple[float, Plain], ...]:
        return self.members or ((1.0, self),)


def of_estimator(fitted: Any) -> Plain:
    classes = list(getattr(fitted, "classes_", []))
    if not classes:
        return Plain(0, fitted.predict)
    proba = getattr(fitted, "predict_proba", None)
    score = getattr(fitted, "decision_function", proba)
    label = lambda rows: np.searchsorted(fitted.classes_, fitted.predict(rows))  # noqa: E731
    return Plain(len(classes), score, proba, label)


def of_ensemble(members: Sequence[tuple[float, Plain]]) -> Plain:
    first = members[0][1]

    def mean(outputs: Callable[[Plain], Array]) -> Array:
        return np.asarray(sum(share * outputs(member) for share, member in members))

    def proba(rows: Array) -> Array:
        return mean(lambda member: member.proba(rows))  # type: ignore[misc]

    def label(rows: Array) -> NDArray[np.int64]:
        if all(member.proba for _, member in members):
            return proba(rows).argmax(axis=1)
        votes = np.eye(first.n_classes)
        return mean(lambda member: votes[member.label(rows)]).argmax(axis=1)  # type: ignore[misc]

    return Plain(
        first.n_classes,
        lambda rows: mean(lambda member: member.score(rows)),
        proba if all(member.proba for _, member in members) else None,
        label,
        tuple(members),
    )


def over_members(model: Plain, loss: Callable[[Plain, Array], Array]) -> G:
    return lambda rows: np.asarray(
        sum(share * loss(member, rows) for share, member in model.own_members)
    )


def minus_log(model: Plain, rows: Array, index: Any) -> Array:
    assert model.proba is not None
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(model.proba(rows)[np.arange(len(rows)), index]))


def hinge(model: Plain, rows: Array, index: Any) -> Array:
    z = model.score(rows)
    if z.ndim == 1:
        return np.maximum(0.0, 1.0 - np.where(np.equal(index, 1), z, -z))
    own = np.zeros(z.shape, dtype=bool)
    own[np.arange(len(rows)), index] = True
    rival = np.where(own, -np.inf, z).max(axis=1)
    return np.maximum(0.0, 1.0 - (z[own] - rival))


def fixed_label(model: Plain, index: int, loss: str, scale: float) -> G:
    if loss == "squared":
        return over_members(
            model,
            lambda one, rows: ((1.0 - one.proba(rows)[:, index]) / scale) ** 2,  # type: ignore[misc]
        )
    formula = minus_log if loss == "cross_entropy" and model.proba else hinge
    return over_members(model, lambda one, rows: formula(one, rows, index))


def fixed_value(model: Plain, lower: float, upper: float, scale: float) -> G:
    def loss(one: Plain, rows: Array) -> Array:
        y = one.score(rows)
        return 0.5 * (np.maximum(0.0, np.maximum(lower - y, y - upper)) / scale) ** 2

    return over_members(model, loss)


def risky(model: Plain, level: float, r: float, output: str) -> G:
    def loss(one: Plain, rows: Array) -> Array:
        f = one.score(rows) if output == "score" else one.proba(rows)  # type: ignore[misc]
        return np.abs((f if f.ndim == 1 else f[:, 1]) - level) ** r

    return over_members(model, loss)


def negative_entropy(model: Plain) -> G:
    def loss(one: Plain, rows: Array) -> Array:
        p = one.proba(rows)  # type: ignore[misc]
        return np.asarray((p * np.log(np.where(p > 0.0, p, 1.0))).sum(axis=1))

    return over_members(model, loss)


def near(row: Array, weights: Array, norm: int) -> G:
    return lambda rows: np.abs(rows - row) ** norm @ weights


def require_label(model: Plain, index: int) -> G:
    return lambda rows: np.where(model.label(rows) == index, 0.0, np.inf)  # type: ignore[misc]


def require_band(model: Plain, lower: float, upper: float) -> G:
    def g(rows: Array) -> Array:
        y = model.score(rows)
        return np.where((lower <= y) & (y <= upper), 0.0, np.inf)

    return g


def comparison(a: Plain, b: Plain, sigma: float | None) -> G:
    """Mean over the members of `a` of their comparison with `b` as a whole."""
    formula = minus_log if a.proba else hinge

    def loss(one: Plain, rows: Array) -> Array:
        if sigma is None:
            return formula(one, rows, 1 - b.label(rows))  # type: ignore[misc]
        if a.n_classes == 0:
            return np.exp(-((one.score(rows) - b.score(rows)) ** 2) / sigma**2)
        distance = one.proba(rows) - b.proba(rows)  # type: ignore[misc]
        return np.asarray(np.exp(-(distance**2).sum(axis=1) / sigma**2))

    return over_members(a, loss)
