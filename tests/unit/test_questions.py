"""Questions: what they evaluate to, how they combine, print and read."""

import pickle
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from sondage._checks import Predicts
from sondage.errors import DataError, ModelError, QuestionError, SpaceError
from sondage.models import as_model
from sondage.questions import Question, fixed_label, near, prediction_risky, require
from sondage.space import Categorical, Continuous, Fixed, Space

NAMES = ["a", "b", "c"]
X = load_wine().data[:, [0, 6, 9]]
Y = np.array(["red", "rose", "white"])[load_wine().target]
FRAME = pl.DataFrame(X, schema=NAMES)
SPACE = Space.from_frame(FRAME)
forest = as_model(
    RandomForestClassifier(10, max_depth=3, random_state=0).fit(FRAME.to_pandas(), Y), name="forest"
)
binary = as_model(
    DecisionTreeClassifier(max_depth=4, random_state=0).fit(FRAME.to_pandas(), Y == "red"),
    name="binary",
)
value = as_model(
    RandomForestRegressor(5, max_depth=4, random_state=0).fit(
        load_diabetes().data[:178, :3], load_diabetes().target[:178]
    ),
    name="value",
    space=SPACE,
)
ROW = {"a": 12.0, "b": 2.0, "c": 5.0}


def test_fixed_label_of_a_classifier() -> None:
    p = forest.proba(FRAME)[:, 1]
    other = np.delete(forest.proba(FRAME), 1, axis=1).max(axis=1)
    with np.errstate(divide="ignore"):
        expected = -np.log(p)
    np.testing.assert_allclose(fixed_label(forest, "rose").evaluate(FRAME, SPACE), expected)
    np.testing.assert_allclose(
        fixed_label(forest, "rose", loss="hinge").evaluate(FRAME, SPACE),
        np.maximum(0, 1 - (p - other)),
        atol=1e-15,
    )
    np.testing.assert_allclose(
        fixed_label(forest, "rose", loss="squared", scale=0.5).evaluate(FRAME, SPACE),
        ((1 - p) / 0.5) ** 2,
    )
    sure = fixed_label(binary, True).evaluate(FRAME, SPACE)
    assert (np.isposinf(sure) == (binary.proba(FRAME)[:, 1] == 0)).all()
    assert np.isposinf(sure).any()


def test_fixed_label_of_a_regressor() -> None:
    y = value.predict(FRAME)
    np.testing.assert_allclose(
        fixed_label(value, 150, scale=10).evaluate(FRAME, SPACE), 0.5 * ((y - 150) / 10) ** 2
    )
    band = fixed_label(value, (140, 160)).evaluate(FRAME, SPACE)
    distance = np.maximum(0, np.maximum(140 - y, y - 160))
    np.testing.assert_allclose(band, 0.5 * distance**2)
    assert (band[(y >= 140) & (y <= 160)] == 0).all()
    above = fixed_label(value, (140, float("inf"))).evaluate(FRAME, SPACE)
    np.testing.assert_allclose(above, 0.5 * np.maximum(0, 140 - y) ** 2)


def test_prediction_risky() -> None:
    p = binary.proba(FRAME)[:, 1]
    for level, r in [(0.5, 2), (0.3, 1), (0.3, 1.5)]:
        np.testing.assert_allclose(
            prediction_risky(binary, level=level, r=r).evaluate(FRAME, SPACE),
            np.abs(p - level) ** r,
        )
    q = forest.proba(FRAME)
    entropy = -np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0).sum(axis=1)
    np.testing.assert_allclose(
        prediction_risky(forest, entropy=True).evaluate(FRAME, SPACE), -entropy, atol=1e-15
    )


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize(
    "row",
    [
        ROW,
        ROW | {"target": "red"},
        [12.0, 2.0, 5.0],
        np.array([12.0, 2.0, 5.0]),
        pl.DataFrame([ROW]),
        pl.DataFrame([ROW]).to_pandas().iloc[0],
    ],
    ids=["mapping", "data row", "list", "array", "frame", "series"],
)
def test_near_takes_rows_of_every_kind(row: object, norm: int) -> None:
    distance = np.abs(X - [12.0, 2.0, 5.0]) ** norm
    np.testing.assert_allclose(near(row, norm=norm).evaluate(FRAME, SPACE), distance.sum(axis=1))
    for weights in ({"b": 3.0}, [1.0, 3.0, 1.0], np.array([1.0, 3.0, 1.0])):
        weighed = near(row, weights=weights, norm=norm).evaluate(FRAME, SPACE)
        np.testing.assert_allclose(weighed, distance @ [1.0, 3.0, 1.0])


def test_near_needs_every_free_column_only() -> None:
    space = SPACE.fix({"c": 5.0})
    assert near({"a": 12.0, "b": 2.0}).evaluate(FRAME, space) == pytest.approx(
        np.abs(X[:, :2] - [12.0, 2.0]) ** 2 @ [1.0, 1.0]
    )
    with pytest.raises(QuestionError, match="no value for 'c'; every free column needs one"):
        near({"a": 12.0, "b": 2.0}).evaluate(FRAME, SPACE)
    with pytest.raises(QuestionError, match=r"has None for column 'c'; .* missing"):
        near(ROW | {"c": float("nan")}).evaluate(FRAME, SPACE)
    with pytest.raises(QuestionError, match="has 2 values; the space has 3 columns"):
        near([1.0, 2.0]).evaluate(FRAME, SPACE)
    with pytest.raises(QuestionError, match="weights of near names unknown column 'z'"):
        near(ROW, weights={"z": 1.0}).evaluate(FRAME, SPACE)


def test_require() -> None:
    broken = np.isposinf(require(forest, "red").evaluate(FRAME, SPACE))
    assert (broken == (forest.predict(FRAME) != "red")).all()
    y = value.predict(FRAME)
    # Off the values themselves: predictions add as the library does, the sampler exactly.
    lower, upper = np.quantile(y, [0.25, 0.75]) + np.array([-1e-9, 1e-9])
    inside = require(value, (lower, upper)).evaluate(FRAME, SPACE) == 0
    assert (inside == ((y >= lower) & (y <= upper))).all()


def test_sums_and_multiples_over_several_models() -> None:
    parts = [
        fixed_label(forest, "red"),
        prediction_risky(binary),
        near(ROW),
        require(value, (0, 900)),
    ]
    g = [part.evaluate(FRAME, SPACE) for part in parts]
    total = 2 * (parts[0] + parts[1] * 0.5) + sum(parts[2:])
    np.testing.assert_allclose(
        total.evaluate(FRAME, SPACE), 2 * g[0] + g[1] + g[2] + g[3], equal_nan=False
    )
    assert [weight for weight, _ in total.terms] == [2.0, 1.0, 1.0, 1.0]
    assert total.models == (forest, binary, value)
    assert (np.float64(2) * parts[2]).terms[0][0] == 2.0
    assert (-1 * parts[2]).evaluate(FRAME, SPACE) == pytest.approx(-g[2])
    assert (0 * parts[0]).evaluate(FRAME, SPACE).tolist() == [0.0] * len(FRAME)


def test_a_model_is_asked_once_however_often_it_appears() -> None:
    question = fixed_label(forest, "red") + prediction_risky(forest, entropy=True)
    assert question.models == (forest,)


QUESTIONS = [
    fixed_label(forest, "red"),
    fixed_label(forest, np.str_("red"), loss="squared", scale=0.5),
    fixed_label(value, (140, float("inf"))),
    fixed_label(value, 150),
    prediction_risky(binary, level=0.4, r=1),
    prediction_risky(forest, entropy=True),
    near(ROW, weights={"a": 2.0}, norm=1),
    near([1.0, 2.0, 3.0], weights=[1, 0, 2]),
    require(binary, True),
    require(value, (float("-inf"), 100)),
    fixed_label(forest, "red") + 0.1 * near(ROW) + -0.5 * prediction_risky(binary),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=repr)
def test_questions_are_values(question: Question) -> None:
    assert eval(repr(question)) == question  # noqa: S307
    assert pickle.loads(pickle.dumps(question)) == question
    assert hash(question) == hash(eval(repr(question)))  # noqa: S307
    assert sum(question == other for other in QUESTIONS) == 1
    with pytest.raises((AttributeError, TypeError)):
        question.terms = ()


def test_representation() -> None:
    assert repr(fixed_label(forest, "red", loss="squared") + 0.1 * near({"a": 1}, norm=1)) == (
        "fixed_label(forest, 'red', loss='squared') + 0.1 * near({'a': 1}, norm=1)"
    )


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            fixed_label(forest, "red"),
            "Find rows where forest predicts 'red' (penalty: minus the logarithm of its "
            "probability).",
        ),
        (
            prediction_risky(forest, entropy=True) + 0.5 * require(value, (100, 200)),
            "Find rows where, all together: (1) forest is as undecided between its classes as "
            "possible (penalty: the negative entropy of its probabilities); (2) value must predict "
            "a value between 100 and 200.",
        ),
        (
            0.1 * near(ROW),
            "Find rows where the row stays near (a = 12, b = 2, c = 5) (penalty: the sum of "
            "squared differences; weight 0.1).",
        ),
        (
            -2 * prediction_risky(binary, level=0.4),
            "Find rows where it is not so that binary gives True a probability near 0.4 (reward: "
            "the squared distance to it; weight 2).",
        ),
        (
            fixed_label(value, (150, float("inf")), scale=10),
            "Find rows where value predicts at least 150 (penalty: half the squared distance to it "
            "in units of 10).",
        ),
        (
            require(value, (1_000_000.25, 1_000_001)),
            "Find rows where value must predict a value between 1000000.25 and 1000001.",
        ),
    ],
)
def test_description(question: Question, words: str) -> None:
    assert question.describe() == words


def test_checks_are_what_valid_rows_must_fulfil() -> None:
    question = (
        fixed_label(forest, "red")
        + fixed_label(value, 150)
        + fixed_label(value, (1, 2))
        + require(binary, True)
        + -1 * fixed_label(forest, "white")
        + near(ROW)
    )
    assert question._checks() == [
        Predicts(forest, "red"),
        Predicts(value, (1.0, 2.0)),
        Predicts(binary, True),
    ]
    assert prediction_risky(binary)._checks() == []


def test_the_gradient_is_that_of_the_free_columns() -> None:
    space = Space({"a": Continuous(0, 20), "b": Fixed(2.0), "c": Continuous(0, 20)})
    question = 0.5 * near([12.0, 1.0, 5.0], weights=[1, 1, 3])
    rows = np.array([[11.0, 6.0], [12.0, 4.0]])
    assert question.gradient(rows, space).tolist() == [[-1.0, 3.0], [0.0, -3.0]]
    with pytest.raises(QuestionError, match="needs space"):
        question.gradient(rows)
    with pytest.raises(DataError, match="array has 3 columns; 2 are needed"):
        question.gradient(np.zeros((1, 3)), space)
    with pytest.raises(QuestionError, match="forest is piecewise constant and has no gradient"):
        fixed_label(forest, "red").gradient(X, SPACE)


def test_columns_that_no_model_reads_are_allowed() -> None:
    space = Space(dict(SPACE.kinds) | {"extra": Continuous(0, 1)})
    frame = FRAME.with_columns(extra=0.5)
    question = fixed_label(forest, "red", loss="hinge")
    assert (question.evaluate(frame, space) == question.evaluate(FRAME, SPACE)).all()
    shuffled = Space(dict(reversed(space.kinds.items())))
    assert (question.evaluate(frame, shuffled) == question.evaluate(FRAME, SPACE)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fixed_label(forest, "blue"), "no class 'blue'; its classes: 'red', 'rose'"),
        (lambda: fixed_label(forest, "red", loss="log"), "loss='log' must be one of"),
        (lambda: fixed_label(forest, "red", scale=2.0), "no meaning with loss='cross_entropy'"),
        (lambda: fixed_label(forest, "red", loss="squared", scale=0), "scale=0.0 must be above"),
        (lambda: fixed_label(value, "red"), "label='red' must be a finite number"),
        (lambda: fixed_label(value, 1, loss="hinge"), "value is a regressor"),
        (lambda: fixed_label(value, (2, 1)), "upside down"),
        (lambda: fixed_label(value, (1, 2, 3)), r"must be \(lower, upper\)"),
        (lambda: fixed_label(value, (float("nan"), 1)), "two numbers"),
        (lambda: fixed_label("forest", "red"), "a sondage.Model is needed, not str; as_model"),
        (lambda: prediction_risky(forest), "3 classes and level= needs two; use entropy=True"),
        (lambda: prediction_risky(value), "value is a regressor"),
        (lambda: prediction_risky(value, entropy=True), "value is a regressor"),
        (lambda: prediction_risky(forest, entropy="no"), "entropy='no' must be True or False"),
        (lambda: prediction_risky(binary, level=1.5), "level=1.5 must be a probability"),
        (lambda: prediction_risky(binary, r=0), "r=0.0 must be above zero"),
        (lambda: prediction_risky(binary, level=0.3, entropy=True), "no meaning with entropy"),
        (lambda: prediction_risky(binary, output="label"), "output='label'"),
        (lambda: near(ROW, norm=3), "norm=3 must be 1 or 2"),
        (lambda: near(ROW, weights={"a": -1}), "weight of column 'a' is -1.0; .* at least zero"),
        (lambda: near({}), "has no values"),
        (lambda: near([[1.0]]), "must be 1-D"),
        (lambda: near([float("nan")]), "value 0,=nan must be a finite"),
        (lambda: near(FRAME), "one row is needed; this frame has 178"),
        (lambda: require(forest, "blue"), "no class 'blue'"),
        (lambda: require(value, 150), "require a band"),
        (lambda: -1 * require(forest, "red"), "cannot be weighed by -1"),
        (lambda: 0 * (near(ROW) + require(forest, "red")), "cannot be weighed by 0"),
        (lambda: float("nan") * near(ROW), "cannot be weighed by nan"),
        (lambda: 1e200 * (1e200 * near(ROW)), "must be finite"),
    ],
)
def test_impossible_questions_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        make()


@pytest.mark.parametrize("other", [1, "x", None])
def test_only_questions_add(other: object) -> None:
    with pytest.raises(TypeError):
        near(ROW) + other
    with pytest.raises(TypeError):
        near(ROW) * "x"


def test_a_space_that_does_not_fit_is_refused() -> None:
    question = fixed_label(forest, "red")
    with pytest.raises(ModelError, match=r"does not have: 'b', 'c'; .* beyond .* 'z'"):
        question.evaluate(FRAME, Space({"a": Continuous(0, 1), "z": Continuous(0, 1)}))
    with pytest.raises(ModelError, match=r"from_frame\(array, names="):
        question.evaluate(FRAME, Space.from_frame(FRAME.to_numpy()))
    with pytest.raises(SpaceError, match="'b' cannot be sampled: its levels"):
        question.evaluate(FRAME, Space(dict(SPACE.kinds) | {"b": Categorical([0, "a"])}))
    with pytest.raises(DataError, match="no column 'b'"):
        question.evaluate(FRAME.drop("b"), SPACE)
