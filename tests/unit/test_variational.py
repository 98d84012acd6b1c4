"""Variational answers: the fit, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import sondage as sd
from sondage._gaussian_fit import fit_gaussian, standard_sample
from sondage._unbounded import Coordinates, moments
from sondage.errors import QuestionError, SamplingError
from sondage.persistence import fingerprint

WINE = load_wine()
X = WINE.data[:, :3]
LOGISTIC = sd.as_model(LogisticRegression(C=10, max_iter=5000).fit(X, WINE.target))
SPACE = sd.Space.from_frame(X)
WIDE = sd.Space({"a": sd.Continuous(-1e4, 1e4), "k": sd.Fixed(2.0), "b": sd.Continuous(-1e3, 9e3)})


def a_line(slope: list[float], intercept: float) -> sd.Model:
    line = LinearRegression()
    line.coef_, line.intercept_, line.n_features_in_ = np.array(slope), intercept, len(slope)
    return sd.as_model(line)


def quadratic() -> sd.Question:
    """½ |Aᵀx + c|² of x = (a, k, b), of a correlated normal law of a and b given k."""
    lines = [a_line([2.0, 1.0, 1.0], -3.0), a_line([0.5, 0.0, 3.0], 1.0)]
    return sum((sd.fixed_label(line, 0.0) for line in lines), sd.near({"a": 0.0, "b": 0.0}) * 0.5)


CURVATURE = np.array([[5.25, 3.5], [3.5, 11.0]])
CENTRE = np.linalg.solve(CURVATURE, [-2 * -1.0 - 0.5, -1 * -1.0 - 3.0])


@pytest.fixture(scope="module")
def answer() -> sd.VariationalAnswer:
    return sd.variational(sd.fixed_label(LOGISTIC, 1), SPACE, temperature=0.5, draws=500, seed=4)


@pytest.mark.parametrize("temperature", [1.0, 0.01])
def test_a_normal_law_is_met_exactly(temperature: float) -> None:
    found = sd.variational(quadratic(), WIDE, temperature=temperature, seed=1)
    np.testing.assert_allclose(found.mean, CENTRE, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        found.covariance, temperature * np.linalg.inv(CURVATURE), rtol=1e-7, atol=0
    )
    assert found.converged
    assert found.curved == ()
    assert found.khat == 0.0
    # At the optimum the bound is the log of the integral of exp(−G/τ).
    least = quadratic().evaluate(np.array([[CENTRE[0], 2.0, CENTRE[1]]]), WIDE)[0]
    size = np.log(2 * np.pi * temperature) - 0.5 * np.log(np.linalg.det(CURVATURE))
    assert found.elbo[-1] == pytest.approx(-least + temperature * size, rel=1e-6)
    assert (found.draws[:, :, 1] == 2.0).all()


def test_a_mean_field_has_the_mean_and_the_conditional_variances() -> None:
    found = sd.variational(quadratic(), WIDE, family="mean_field", seed=1)
    np.testing.assert_allclose(found.mean, CENTRE, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.diag(found.covariance), 1 / np.diag(CURVATURE), rtol=1e-6)
    assert found.covariance[0, 1] == 0.0
    assert found.khat > 0.0


def test_bounded_columns_stay_inside_and_the_bound_nearly_reaches_the_integral() -> None:
    space = sd.Space({"x": sd.Continuous(0.0, 1.0)})
    found = sd.variational(sd.near({"x": 0.9}), space, temperature=0.02, seed=2)
    assert found.curved == ("x",)
    law = stats.truncnorm(-9.0, 1.0, loc=0.9, scale=0.1)
    assert found.mean[0] == pytest.approx(law.mean(), abs=0.01)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(law.std(), rel=0.1)
    log_integral = 0.02 * np.log(
        0.1 * np.sqrt(2 * np.pi) * (stats.norm.cdf(1.0) - stats.norm.cdf(-9.0))
    )
    assert log_integral - 0.02 * 0.1 < found.elbo[-1] < log_integral
    assert ((found.draws >= 0.0) & (found.draws <= 1.0)).all()


def test_mean_and_covariance_are_those_of_the_draws(answer: sd.VariationalAnswer) -> None:
    many = sd.variational(answer.question, SPACE, temperature=0.5, draws=40_000, seed=5)
    rows, n = many.draws[0], 40_000
    error = np.sqrt(np.diag(many.covariance) / n)
    assert (np.abs(rows.mean(axis=0) - many.mean) < 5 * error).all()
    spread = np.cov(rows.T)
    scale = np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    # The fourth moment of a column between bounds is below that of a normal one.
    assert (np.abs(spread - many.covariance) < 5 * np.sqrt(2 / n) * scale).all()
    # The fit does not depend on how many draws are asked for, nor on its sample but for its error.
    np.testing.assert_allclose(answer.mean, many.mean, atol=0.02 * np.sqrt(np.diag(spread)).min())


def test_the_bound_rises_and_the_seed_decides(answer: sd.VariationalAnswer) -> None:
    assert answer.curved == ("x0", "x1", "x2")
    assert (np.diff(answer.elbo) > -1e-9).all()
    again = sd.variational(answer.question, SPACE, temperature=0.5, draws=500, seed=4)
    other = sd.variational(answer.question, SPACE, temperature=0.5, draws=500, seed=6)
    assert fingerprint(again) == fingerprint(answer) != fingerprint(other)
    assert again.elbo.tobytes() == answer.elbo.tobytes()
    short = sd.variational(answer.question, SPACE, temperature=0.5, draws=500, steps=2, seed=4)
    assert not short.converged
    assert "had not converged after 2 steps" in repr(short.diagnostics)


def test_nothing_claims_that_the_draws_are_exact(
    answer: sd.VariationalAnswer, tmp_path: Path
) -> None:
    found = answer.diagnostics
    assert not found.exact
    assert not answer.statistics.exact
    assert found.verdict in ("with care", "not trustworthy")
    assert "fitted Gaussian law" in found.sentence
    assert "fitted" in answer.settings.kernel_reason
    assert "rustworthy: the chains" not in repr(answer)
    assert answer.frame.height == 500
    assert answer.summary()["rhat"].null_count() == 4
    page = answer.report(tmp_path / "fit.html").read_text(encoding="utf-8")
    assert "does not leave this density exactly invariant" in page
    assert "answer = sd.variational(" in page
    assert answer.plot.trace() is not None
    assert answer.plot.marginals() is not None


def test_it_is_saved_and_read_whole(answer: sd.VariationalAnswer, tmp_path: Path) -> None:
    again = sd.load_answer(answer.save(tmp_path / "fit.parquet"))
    assert isinstance(again, sd.VariationalAnswer)
    for name in ("draws", "energies", "mean", "covariance", "elbo"):
        assert getattr(again, name).tobytes() == getattr(answer, name).tobytes()
    for name in ("family", "steps", "converged", "curved", "khat", "settings", "space"):
        assert getattr(again, name) == getattr(answer, name)
    assert again.diagnostics.verdict == answer.diagnostics.verdict
    assert answer.thin(2).khat == answer.khat


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"question": 3}, sd.QuestionError, "question is int"),
        ({"space": {}}, sd.SpaceError, "space is dict"),
        ({"family": "diagonal"}, sd.SamplingError, "family='diagonal'.*'mean_field'"),
        ({"temperature": 0.0}, sd.SamplingError, "temperature=0.0"),
        ({"steps": 0}, sd.SamplingError, "steps=0"),
        ({"draws": True}, sd.SamplingError, "draws=True"),
        ({"seed": -1}, sd.SamplingError, "seed=-1"),
        ({"question": sd.require(LOGISTIC, 1)}, sd.QuestionError, "leave the requirement out"),
        (
            {
                "question": sd.fixed_label(
                    sd.as_model(DecisionTreeClassifier().fit(X, WINE.target)), 1
                )
            },
            sd.QuestionError,
            "decision_tree_classifier has no gradient",
        ),
        ({"space": SPACE.fix({"x0": 12.0, "x1": 2.0, "x2": 2.0})}, sd.SpaceError, "nothing can"),
    ],
)
def test_bad_input_is_refused(change, error, words) -> None:
    given = {"question": sd.fixed_label(LOGISTIC, 1), "space": SPACE} | change
    with pytest.raises(error, match=words):
        sd.variational(given.pop("question"), given.pop("space"), **given)


def test_the_sample_has_the_moments_it_says() -> None:
    sample = standard_sample(50, 7, np.random.default_rng(0))
    np.testing.assert_allclose(sample.mean(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(sample.T @ sample / 100, np.eye(7), atol=1e-12)
    np.testing.assert_allclose(np.einsum("ni,nj,nk->ijk", sample, sample, sample), 0.0, atol=1e-10)


@pytest.mark.parametrize("full", [True, False])
def test_a_density_that_is_not_concave_is_fitted_all_the_same(full: bool) -> None:
    sample = standard_sample(1000, 2, np.random.default_rng(1))

    def density(v: np.ndarray) -> np.ndarray:
        return -3.0 * np.log1p(v**2).sum(axis=1)

    def gradient(v: np.ndarray) -> np.ndarray:
        return -6.0 * v / (1.0 + v**2)

    fit = fit_gaussian(density, gradient, (np.full(2, 5.0), np.eye(2)), sample, full=full, steps=50)
    assert fit.converged
    np.testing.assert_allclose(fit.mean, 0.0, atol=1e-4)
    v = fit.mean + sample @ fit.factor.T
    # Stationary: by Stein's lemma E[v ∇] = −1 in each column.
    np.testing.assert_allclose((v * gradient(v)).mean(axis=0), -1.0, atol=1e-4)


def test_moments_of_curved_columns() -> None:
    curved = np.array([True, True, False])
    coordinates = Coordinates(np.array([0.0, -1.0, 0.0]), np.array([1.0, 5.0, 9.0]), curved)
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(3, 3))
    mean, covariance = moments(coordinates, np.array([0.5, -1.0, 4.0]), factor @ factor.T)
    v = np.array([0.5, -1.0, 4.0]) + rng.standard_normal((400_000, 3)) @ factor.T
    rows = coordinates.columns(v)
    sd_ = rows.std(axis=0)
    assert (np.abs(rows.mean(axis=0) - mean) < 5 * sd_ / np.sqrt(400_000)).all()
    assert (
        np.abs(np.cov(rows.T) - covariance) < 5 * 2 / np.sqrt(400_000) * np.outer(sd_, sd_)
    ).all()
    np.testing.assert_allclose(coordinates.points(rows)[:100], v[:100], rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sondage.errors.ForeignModelWarning")
def test_a_function_with_gradient_is_fitted_as_a_native_model_is() -> None:
    space = sd.Space({"a": sd.Continuous(-9.0, 9.0), "b": sd.Continuous(-9.0, 9.0)})

    def bowl(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((rows - 1.0) ** 2).sum(axis=1))

    def slope(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(2.0 * (rows - 1.0))

    ours = sd.variational(sd.custom(bowl, slope), space, temperature=0.5, seed=3)
    native = sd.variational(sd.near([1.0, 1.0]), space, temperature=0.5, seed=3)
    np.testing.assert_allclose(ours.mean, native.mean, atol=1e-9)
    np.testing.assert_allclose(ours.covariance, native.covariance, atol=1e-9)


def test_behind_a_decoder_the_law_is_of_latent_rows(tmp_path: Path) -> None:
    space = sd.Space({"a": sd.Continuous(-90.0, 90.0), "b": sd.Continuous(-90.0, 90.0)})
    latent = sd.Space({"z": sd.Continuous(-40.0, 40.0)})
    pulled = sd.pullback(sd.near([1.0, 1.0]), (np.array([[1.0], [2.0]]), 0.0), latent=latent)
    found = sd.variational(pulled, space, temperature=0.5, draws=200, seed=3)
    # (z − 1)² + (2z − 1)² is 5 (z − 3/5)² and a constant.
    assert found.columns == ("z",)
    np.testing.assert_allclose(found.mean, [0.6], atol=1e-9)
    np.testing.assert_allclose(found.covariance, [[0.05]], rtol=1e-7)
    assert found.latents is not None
    np.testing.assert_allclose(found.draws, found.latents * [1.0, 2.0], atol=1e-12)
    np.testing.assert_allclose(
        found.energies, ((found.draws - 1.0) ** 2).sum(axis=2), rtol=1e-9, atol=1e-12
    )
    again = sd.load_answer(found.save(tmp_path / "fit.parquet"))
    assert isinstance(again, sd.VariationalAnswer)
    assert again.columns == ("z",)
    assert again.latents is not None
    assert again.latents.tobytes() == found.latents.tobytes()


def test_functions_without_gradient_and_functions_that_fail() -> None:
    space = sd.Space({"a": sd.Continuous(-9.0, 9.0)})

    def fails(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raise ZeroDivisionError("no such row")

    with pytest.raises(QuestionError, match=r"custom\(fails\) has no gradient"):
        sd.variational(sd.custom(fails), space)
    with pytest.raises(SamplingError, match="ZeroDivisionError: no such row") as caught:
        sd.variational(sd.custom(fails, fails), space)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
