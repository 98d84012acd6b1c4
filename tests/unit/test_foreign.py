"""Models that only their own library evaluates: their chains, and whose models they are."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

import sondage as sd
from sondage.errors import ForeignModelWarning, ModelError, SamplingError
from sondage.models import Model

pytestmark = pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")

X = MinMaxScaler().fit_transform(load_wine().data[:, [6, 9]])
Y = load_wine().target
BINARY = (Y == 1).astype(int)
SPACE = sd.Space({"x0": sd.Continuous(0.0, 1.0), "x1": sd.Continuous(0.0, 1.0)})
SMALL: dict[str, Any] = {
    "draws": 30,
    "chains": 3,
    "warmup": 20,
    "temperature": 0.3,
    "seed": 1,
    "progress": False,
}
LINE = LogisticRegression(C=20).fit(X, Y)
PAIR = LogisticRegression(C=20).fit(X, BINARY)
native = sd.as_model(LINE, space=SPACE, name="line")
forest = sd.as_model(
    RandomForestClassifier(8, max_depth=4, random_state=0).fit(X, Y), space=SPACE, name="forest"
)
ROWS = np.random.default_rng(0).random((200, 2))

Function = Callable[[Any], Any]


def foreign(function: Function, output: str, **options: Any) -> Model:
    return sd.as_model(function, space=SPACE, output=output, name="mine", **options)


class TestTheSameChains:
    """A function that returns a native model's own numbers gives its chains, to the last bit."""

    @pytest.mark.parametrize(
        "kernel",
        [
            sd.RandomWalk(0.2),
            sd.RandomWalk(),
            sd.Mixture(sd.RandomWalk(0.05), sd.RandomWalk(0.5)),
            sd.Cycle(sd.RandomWalk(0.05), sd.RandomWalk(), repeats=[1, 2]),
        ],
    )
    @pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
    def test_from_probabilities(self, kernel: sd.Kernel, loss: Any) -> None:
        # Of a native line the cross entropy comes from logits, as of a function that gives them.
        output = "proba" if loss == "squared" else "score"
        call = native.proba if loss == "squared" else native.score
        mine = foreign(call, output)
        near = 0.5 * sd.near([0.3, 0.8])
        options = SMALL | {"kernel": kernel, "chains": 11}
        theirs = sd.ask(sd.fixed_label(native, 1, loss=loss) + near, SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss=loss) + near, SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        assert ours.energies.tobytes() == theirs.energies.tobytes()
        assert (ours.valid == theirs.valid).all()
        assert ours.statistics.steps == theirs.statistics.steps
        assert ours.statistics.kernels[0].acceptance == theirs.statistics.kernels[0].acceptance

    def test_from_a_forest(self) -> None:
        mine = foreign(forest.proba, "proba")
        options = SMALL | {"kernel": sd.RandomWalk(0.2)}
        theirs = sd.ask(sd.fixed_label(forest, 1, loss="squared"), SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss="squared"), SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        np.testing.assert_allclose(ours.energies, theirs.energies, atol=1e-12)

    def test_beside_a_native_forest(self) -> None:
        mine = foreign(native.proba, "proba")
        options = SMALL | {"kernel": sd.RandomWalk(0.2), "chains": 10}

        def question(model: Model) -> sd.Question:
            return (
                sd.fixed_label(forest, 0)
                + 2.0 * sd.fixed_label(model, 1, loss="squared")
                + sd.require(model, 0)
            )

        theirs, ours = (sd.ask(question(m), SPACE, **options) for m in (native, mine))
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        assert ours.energies.tobytes() == theirs.energies.tobytes()
        assert (native.predict(ours.draws.reshape(-1, 2)) == 0).all()

    def test_an_ensemble(self) -> None:
        mine = foreign(native.proba, "proba")

        def question(model: Model) -> sd.Question:
            both = sd.ensemble([model, forest], weights=[1, 2])
            return sd.fixed_label(both, 1, loss="squared") + sd.require(both, 1)

        options = SMALL | {"kernel": sd.RandomWalk(0.2)}
        theirs, ours = (sd.ask(question(m), SPACE, **options) for m in (native, mine))
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        np.testing.assert_allclose(ours.energies, theirs.energies, atol=1e-12)
        assert ours.valid.all()

    def test_an_ensemble_of_scores_that_do_not_add_up(self) -> None:
        # A margin beside two probabilities.
        members = [sd.as_model(model.fit(X, BINARY), space=SPACE) for model in (PAIR, GaussianNB())]
        both = sd.ensemble(members)
        p = np.mean([model.proba(ROWS)[:, 1] for model in members], axis=0)
        expected = np.where(p > 0.5, 0.0, np.inf)
        assert np.array_equal(sd.require(both, 1).evaluate(ROWS, SPACE), expected)
        assert sd.ask(sd.fixed_label(both, 1), SPACE, **SMALL).status == "complete"
        with pytest.raises(ModelError, match="different shapes"):
            both.score(ROWS)

    def test_threads_change_nothing_and_the_seed_everything(self) -> None:
        question = sd.fixed_label(foreign(native.proba, "proba"), 1)
        options = SMALL | {"chains": 19}
        one = sd.ask(question, SPACE, **options | {"threads": 1})
        many = sd.ask(question, SPACE, **options | {"threads": 3})
        other = sd.ask(question, SPACE, **options | {"seed": 2})
        assert one.draws.tobytes() == many.draws.tobytes()
        assert one.draws.tobytes() != other.draws.tobytes()

    def test_given_starts(self) -> None:
        mine = foreign(native.proba, "proba")
        start = ROWS[:3]
        options = SMALL | {"kernel": sd.RandomWalk(0.2), "start": start}
        theirs = sd.ask(sd.fixed_label(native, 1, loss="squared"), SPACE, **options)
        ours = sd.ask(sd.fixed_label(mine, 1, loss="squared"), SPACE, **options)
        assert ours.draws.tobytes() == theirs.draws.tobytes()
        with pytest.raises(SamplingError, match=r"row . of start has no finite G"):
            sd.ask(sd.require(mine, 1) + sd.require(mine, 2), SPACE, **options)


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "naive Bayes": lambda: GaussianNB().fit(X, Y),
    "neighbours": lambda: KNeighborsClassifier(7).fit(X, Y),
    "Gaussian process": lambda: GaussianProcessClassifier(optimizer=None).fit(X[::3], Y[::3]),
    "principal components": lambda: make_pipeline(PCA(2), LogisticRegression()).fit(X, BINARY),
    "pairs of classes": lambda: make_pipeline(
        PCA(2), SVC(decision_function_shape="ovo", random_state=0)
    ).fit(X, Y),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_sampled(name: str) -> None:
    estimator = ESTIMATORS[name]()
    with pytest.warns(ForeignModelWarning, match="is evaluated by scikit-learn"):
        model = sd.as_model(estimator, space=SPACE)
    assert not model.native
    question = sd.fixed_label(model, 1) + sd.require(model, 1)
    answer = sd.ask(question, SPACE, **SMALL)
    assert answer.status == "complete"
    assert answer.valid.all()
    flat = answer.draws.reshape(-1, 2)
    assert (estimator.predict(flat) == 1).all()
    np.testing.assert_allclose(question.evaluate(flat, SPACE), answer.energies.ravel())
    for loss in ("squared", "hinge"):
        if loss == "hinge" or model.has_proba:
            soft = sd.ask(sd.fixed_label(model, 1, loss=loss), SPACE, **SMALL)
            assert soft.status == "complete"


@pytest.mark.parametrize(
    "regressor", [KNeighborsRegressor(5), GaussianProcessRegressor(alpha=0.1, optimizer=None)]
)
def test_regressors_are_sampled(regressor: Any) -> None:
    model = sd.as_model(regressor.fit(X, X[:, 0] + X[:, 1]), space=SPACE)
    answer = sd.ask(sd.require(model, (0.9, 1.1)), SPACE, **SMALL)
    own = regressor.predict(answer.draws.reshape(-1, 2))
    assert ((own >= 0.9) & (own <= 1.1)).all()
    assert answer.valid.all()


def test_a_torch_module_that_is_no_sequence() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.inner(x) + x.sum(dim=1, keepdim=True)

    torch.manual_seed(0)
    net = Net().double().eval()
    model = sd.as_model(net, output="score", space=SPACE)
    assert not model.native
    with torch.no_grad():
        logs = torch.log_softmax(net(torch.as_tensor(ROWS)), dim=1)[:, 1].numpy()
    question = sd.fixed_label(model, 1)
    np.testing.assert_allclose(question.evaluate(ROWS, SPACE), -logs, rtol=1e-9)
    assert sd.ask(question, SPACE, **SMALL).status == "complete"


def test_a_foreign_model_survives_pickling() -> None:
    model = sd.as_model(GaussianNB().fit(X, Y), space=SPACE)
    again = pickle.loads(pickle.dumps(model))
    first, second = (sd.ask(sd.fixed_label(m, 1), SPACE, **SMALL) for m in (model, again))
    assert first.draws.tobytes() == second.draws.tobytes()


def test_an_import_is_quiet_about_rows_it_tries() -> None:
    class Loud(GaussianNB):  # type: ignore[misc]
        def decision_function(self, X: Any) -> Any:
            warnings.warn("zeros", stacklevel=2)
            if (X == 0).all():
                raise ValueError("zeros")
            return self.predict_log_proba(X)

    model = sd.as_model(Loud().fit(X, Y), space=SPACE)
    assert model._width("score") == 3
