"""Random questions against plain formulas over what the models' own libraries say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from formulas import (
    Array,
    G,
    Plain,
    comparison,
    fixed_label,
    fixed_value,
    near,
    negative_entropy,
    of_ensemble,
    of_estimator,
    over_members,
    require_band,
    require_label,
    risky,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC

import sondage as sd

Pair: TypeAlias = tuple[sd.Model, Plain]

RNG = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
SPACE = sd.Space({name: sd.Continuous(-2.0, 2.0) for name in NAMES})
X = RNG.uniform(-2.0, 2.0, (240, 3))
NOISE = RNG.normal(size=(3, 240))
VALUE = X[:, 0] - X[:, 1] ** 2 + np.sin(2.0 * X[:, 2]) + 0.3 * NOISE[0]
TWO = (VALUE > -1.0).astype(int)
THREE = np.digitize(VALUE, [-1.8, -0.2])
ROWS = np.random.default_rng(1).uniform(-2.0, 2.0, (25, 3))


def fitted(name: str, estimator: Any, target: Any, part: int = 0) -> Pair:
    estimator.fit(X[part:], target[part:])
    return sd.as_model(estimator, space=SPACE, name=name), of_estimator(estimator)


def called(name: str, output: str, function: Callable[[Any], Any], plain: Plain) -> Pair:
    classes = list(range(plain.n_classes)) if plain.n_classes else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sd.ForeignModelWarning)
        model = sd.as_model(function, space=SPACE, output=output, classes=classes, name=name)
    return model, plain


def together(name: str, pairs: list[Pair], weights: list[float]) -> Pair:
    shares = np.array(weights) / sum(weights)
    members = list(zip(shares, (plain for _, plain in pairs), strict=True))
    return sd.ensemble([model for model, _ in pairs], weights, name=name), of_ensemble(members)


def margin(rows: Array) -> Array:
    return np.asarray(2.0 * rows[:, 0] - rows[:, 1] * rows[:, 2])


def scores(rows: Array) -> Array:
    return np.stack([rows[:, 0], margin(rows), 1.0 - rows[:, 2]], axis=1)


def logistic(rows: Array) -> Array:
    p = 1.0 / (1.0 + np.exp(-margin(rows)))
    return np.stack([1.0 - p, p], axis=1)


def softmax(rows: Array) -> Array:
    weights = np.exp(scores(rows))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def positive(rows: Array) -> NDArray[np.int64]:
    return (margin(rows) > 0.0).astype(np.int64)


def net() -> MLPClassifier:
    return MLPClassifier((6,), "tanh", solver="lbfgs", alpha=1.0, max_iter=400, random_state=0)


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, max_depth=4, random_state=0)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    BINARY = [
        fitted("line", LogisticRegression(), TWO),
        fitted("net", net(), TWO),
        fitted("trees", forest(), TWO),
        fitted("machine", SVC(), TWO),
        called("mine", "score", margin, Plain(2, margin, logistic, positive)),
        called("shares", "proba", logistic, Plain(2, logistic, logistic, positive)),
        called(
            "votes", "label", positive, Plain(2, lambda x: np.eye(2)[positive(x)], None, positive)
        ),
    ]
    MULTI = [
        fitted("line3", LogisticRegression(), THREE),
        fitted("net3", net(), THREE),
        fitted("trees3", forest(), THREE),
        called(
            "mine3", "score", scores, Plain(3, scores, softmax, lambda x: scores(x).argmax(axis=1))
        ),
    ]
    VALUES = [
        fitted("slope", LinearRegression(), VALUE),
        fitted(
            "curve", MLPRegressor(hidden_layer_sizes=(6,), solver="lbfgs", random_state=0), VALUE
        ),
        fitted("steps", RandomForestRegressor(4, max_depth=4, random_state=0), VALUE),
        called("formula", "value", margin, Plain(0, margin)),
    ]


def refits(estimator: Callable[[], Any], target: Any) -> list[Pair]:
    return [fitted("refit", estimator(), target, 20 * part) for part in range(3)]


LINES = together("lines", refits(LogisticRegression, TWO), [1.0, 2.0, 1.0])
BINARY += [LINES, together("mixed", [BINARY[i] for i in (0, 2, 4)], [1.0, 1.0, 2.0])]
BINARY += [together("margins", [BINARY[3], BINARY[0]], [1.0, 1.0])]
BINARY += [together("natives", BINARY[:3], [2.0, 1.0, 1.0])]
LINES3 = together("lines3", refits(LogisticRegression, THREE), [1.0, 1.0, 1.0])
MULTI += [LINES3, together("mixed3", MULTI[1:], [1.0, 2.0, 3.0])]
SLOPES = together("slopes", refits(LinearRegression, VALUE), [1.0, 1.0, 4.0])
VALUES += [SLOPES, together("mixed_values", VALUES[:3], [1.0, 1.0, 1.0])]
PAIRS = {model.name: (model, plain) for model, plain in BINARY + MULTI + VALUES}
ALL = tuple(PAIRS)
SMOOTH = ("line", "net", "machine", "lines", "line3", "net3", "lines3", "slope", "curve", "slopes")
KNOWN = {name: getattr(sd, name) for name in sd.__all__}
KNOWN |= {name: model for name, (model, _) in PAIRS.items()}
OWN = ("bowl", "bowl_slope", "spread", "spread_slope")


@dataclass(frozen=True, repr=False)
class Asked:
    """A question, and the same as weighted formulas."""

    question: sd.Question
    formulas: tuple[tuple[float, G], ...]

    def __repr__(self) -> str:
        return repr(self.question)

    def evaluate(self, rows: Array) -> tuple[Array, Array]:
        """G, and how large its summands are."""
        with np.errstate(invalid="ignore"):
            parts = [weight * g(rows) for weight, g in self.formulas if weight != 0.0]
            size = sum((np.abs(part) for part in parts), np.zeros(len(rows)))
            return np.asarray(sum(parts, np.zeros(len(rows)))), np.asarray(size)

    @property
    def weighable(self) -> bool:
        """Whether it can be weighed by any number: requirements cannot."""
        return not any(
            term._checks() and "require" in repr(term) for _, term in self.question.terms
        )


def one(question: sd.Question, formula: G) -> Asked:
    return Asked(question, ((1.0, formula),))


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda value: round(value, 3))


def models(pool: tuple[str, ...], fits: Callable[[Plain], bool]) -> st.SearchStrategy[Pair]:
    return st.sampled_from([name for name in pool if fits(PAIRS[name][1])]).map(PAIRS.__getitem__)


@st.composite
def about_labels(draw: st.DrawFn, pool: tuple[str, ...]) -> Asked:
    model, plain = draw(models(pool, lambda plain: plain.n_classes > 0))
    index = draw(st.integers(0, plain.n_classes - 1))
    loss = draw(st.sampled_from(["cross_entropy", "hinge", "squared", "require"]))
    if loss == "require":
        return one(sd.require(model, index), require_label(plain, index))
    if loss == "squared" and plain.proba is None:
        loss = "hinge"
    scale = draw(number(0.2, 3.0)) if loss == "squared" else 1.0
    return one(
        sd.fixed_label(model, index, loss=loss, scale=scale), fixed_label(plain, index, loss, scale)
    )


@st.composite
def about_values(draw: st.DrawFn, pool: tuple[str, ...]) -> Asked:
    model, plain = draw(models(pool, lambda plain: plain.n_classes == 0))
    lower, scale = draw(number(-2.0, 2.0)), draw(number(0.2, 3.0))
    upper = draw(st.sampled_from([lower, lower + 0.7, np.inf]))
    if draw(st.booleans()) and lower < upper:
        return one(sd.require(model, (lower, upper)), require_band(plain, lower, upper))
    wanted = lower if upper == lower else (lower, upper)
    return one(sd.fixed_label(model, wanted, scale=scale), fixed_value(plain, lower, upper, scale))


@st.composite
def about_doubt(draw: st.DrawFn, pool: tuple[str, ...]) -> Asked:
    model, plain = draw(models(pool, lambda plain: plain.n_classes > 0))
    if plain.proba is not None and (plain.n_classes > 2 or draw(st.booleans())):
        return one(sd.prediction_risky(model, entropy=True), negative_entropy(plain))
    output = "score" if plain.proba is None else draw(st.sampled_from(["proba", "score"]))
    level, r = draw(number(0.1, 0.9)), draw(st.sampled_from([1.0, 1.5, 2.0]))
    question = sd.prediction_risky(model, level=level, r=r, output=output)
    return one(question, risky(plain, level, r, output))


@st.composite
def about_two(draw: st.DrawFn, pool: tuple[str, ...]) -> Asked:
    a, plain_a = draw(models(pool, lambda plain: True))
    likeness = plain_a.n_classes != 2
    if plain_a.n_classes and draw(st.booleans()):
        b, plain_b = draw(models(pool, lambda plain: plain.n_classes > 0))
        i, j = (draw(st.integers(0, plain.n_classes - 1)) for plain in (plain_a, plain_b))
        first = fixed_label(plain_a, i, "cross_entropy", 1.0)
        second = fixed_label(plain_b, j, "cross_entropy", 1.0)
        question = sd.model_contrasting(a, b, labels=(i, j))
        return one(question, lambda rows: first(rows) + second(rows))
    # Only its label counts where there are two classes, so that it needs no gradient.
    others = models(pool if likeness else ALL, lambda plain: plain.n_classes == plain_a.n_classes)
    b, plain_b = draw(others)
    sigma = draw(number(0.2, 2.0)) if likeness else None
    formula = comparison(plain_a, plain_b, sigma)
    if plain_a.members and draw(st.booleans()):
        return one(sd.parameter_sensitive(b, a, sigma=sigma), formula)
    return one(sd.model_contrasting(a, b, sigma=sigma), formula)


@st.composite
def about_place(draw: st.DrawFn) -> Asked:
    row = np.array(draw(st.tuples(*[number(-3.0, 3.0)] * 3)))
    weights = np.array(draw(st.tuples(*[number(0.0, 2.0)] * 3)))
    norm = draw(st.sampled_from([1, 2]))
    if draw(st.booleans()):
        named = dict(zip(NAMES, row.tolist(), strict=True))
        return one(sd.near(named, norm=norm), near(row, np.ones(3), norm))
    return one(sd.near(row, weights=weights, norm=norm), near(row, weights, norm))


def bowl(rows: Array) -> Array:
    return np.asarray((rows**2).sum(axis=1))


def bowl_slope(rows: Array) -> Array:
    return 2.0 * rows


def spread(outputs: Array) -> Array:
    return np.asarray((outputs**3).sum(axis=1))


def spread_slope(outputs: Array) -> Array:
    return 3.0 * outputs**2


@st.composite
def about_own(draw: st.DrawFn, pool: tuple[str, ...]) -> Asked:
    if draw(st.booleans()):
        return one(sd.custom(bowl, bowl_slope), bowl)
    model, plain = draw(models(pool, lambda plain: plain.proba is not None))
    formula = over_members(plain, lambda one, rows: spread(one.proba(rows)))  # type: ignore[misc]
    return one(sd.term(model, spread, gradient=spread_slope), formula)


@st.composite
def sums(draw: st.DrawFn, inner: st.SearchStrategy[Asked]) -> Asked:
    parts = draw(st.lists(inner, min_size=1, max_size=3))
    formulas = tuple(pair for part in parts for pair in part.formulas)
    if draw(st.booleans()):
        return Asked(sum(part.question for part in parts), formulas)
    total = parts[0].question
    for part in parts[1:]:
        total = total + part.question
    return Asked(total, formulas)


@st.composite
def multiples(draw: st.DrawFn, inner: st.SearchStrategy[Asked]) -> Asked:
    asked = draw(inner)
    weight = draw(number(-2.0, 2.0) if asked.weighable else number(0.1, 2.0))
    question = weight * asked.question if draw(st.booleans()) else asked.question * weight
    return Asked(question, tuple((weight * own, g) for own, g in asked.formulas))


def expressions(pool: tuple[str, ...]) -> st.SearchStrategy[Asked]:
    kinds = (about_labels, about_values, about_doubt, about_two, about_two, about_own)
    return st.recursive(
        st.one_of(*(kind(pool) for kind in kinds), about_place()),
        lambda inner: st.one_of(sums(inner), multiples(inner)),
        max_leaves=6,
    )


BOUNDED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@BOUNDED
@given(expressions(ALL))
def test_the_library_gives_what_the_formulas_say(asked: Asked) -> None:
    got = asked.question.evaluate(ROWS, SPACE)
    want, size = asked.evaluate(ROWS)
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite], equal_nan=True)
    assert (np.abs(got[finite] - want[finite]) <= 1e-8 * (1.0 + size[finite])).all()


@BOUNDED
@given(expressions(ALL))
def test_a_question_is_the_expression_that_it_prints(asked: Asked) -> None:
    question = asked.question
    again = eval(repr(question), KNOWN | {name: globals()[name] for name in OWN})  # noqa: S307
    assert again == question
    assert hash(again) == hash(question)
    assert repr(again) == repr(question)
    words = question.describe()
    assert words.startswith("Find rows where")
    assert all(model.name in words for model in question.models)


@BOUNDED
@given(expressions(SMOOTH))
def test_gradients_are_slopes_of_the_formulas(asked: Asked) -> None:
    gradient = asked.question.gradient(ROWS, SPACE)
    h, (middle, size) = 1e-5, asked.evaluate(ROWS)
    for j in range(3):
        step = np.zeros(3)
        step[j] = h
        right, left = asked.evaluate(ROWS + step)[0], asked.evaluate(ROWS - step)[0]
        with np.errstate(invalid="ignore"):
            slope, bend = (right - left) / (2 * h), np.abs(right + left - 2.0 * middle) / h
        # Elsewhere there is an edge, or the label of the other model changes.
        smooth = np.isfinite(slope) & (bend < 1e-2 * (1.0 + size))
        assert smooth.mean() > 0.5 or not np.isfinite(middle).all()
        error = np.abs(gradient[:, j] - slope)[smooth]
        assert (error <= 1e-5 * (1.0 + size[smooth] + np.abs(slope[smooth]))).all()
