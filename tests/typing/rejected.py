"""Code of users that a type checker must reject: each line marked with the code of its error."""

import numpy as np
from numpy.typing import NDArray

import sondage as sd


def algebra(a: sd.Question, b: sd.Question, n: int) -> None:
    a + 1  # error: operator
    a + n  # error: operator
    a + "b"  # error: operator
    a * "2"  # error: operator
    "2" * a  # error: operator
    a * b  # error: operator
    a - b  # error: operator
    a / 2  # error: operator
    (-a).describe()  # error: operator
    sum([a, 1.5, b])  # error: list-item


def number_first(a: sd.Question) -> sd.Question:
    return 1 + a  # error: return-value


def not_a_number(a: sd.Question, b: sd.Question) -> float:
    return a + b  # error: return-value


def frozen(a: sd.Question, model: sd.Model) -> None:
    a.terms = ()  # error: misc
    model.name = "other"  # error: misc


def arguments(a: sd.Model, b: sd.Model, q: sd.Question, space: sd.Space) -> None:
    sd.fixed_label(a, 1, loss="log")  # error: arg-type
    sd.fixed_label("forest.json", 1)  # error: arg-type
    sd.fixed_label(a)  # error: call-arg
    sd.prediction_risky(a, output="label")  # error: arg-type
    sd.prediction_risky(a, entropy="yes")  # error: arg-type
    sd.parameter_sensitive(a, [a, b])  # error: arg-type
    sd.parameter_sensitive(a)  # error: call-arg
    sd.model_contrasting(a, b, labels="yes")  # error: arg-type
    sd.model_contrasting(a, b, labels=("yes", "no", "maybe"))  # error: arg-type
    sd.model_contrasting(a, b, sigma="1")  # error: arg-type
    sd.model_contrasting(a, q)  # error: arg-type
    sd.near({"age": 40}, norm=3)  # error: arg-type
    sd.near({"age": 40}, weights={"age": "1"})  # error: dict-item
    sd.require(a)  # error: call-arg


def of_two(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a - b


def of_text(rows: str) -> float:
    return float(rows)


def own(a: sd.Model) -> None:
    sd.custom("distance")  # error: arg-type
    sd.custom(of_two)  # error: arg-type
    sd.custom(of_text)  # error: arg-type
    sd.custom(np.sum, gradient=1.0)  # error: arg-type
    sd.term(a, 1.0)  # error: arg-type
    sd.term("forest", of_two)  # error: arg-type
    sd.term(a, of_two, output="label")  # error: arg-type


def sampling(a: sd.Model, q: sd.Question, space: sd.Space) -> None:
    sd.ask(space, q)  # error: call-overload
    sd.ask(a, space)  # error: call-overload
    sd.ask(q)  # error: call-overload
    sd.ask(q, space, temperature="hot")  # error: arg-type
    sd.ask(q, space, boundary="wrap")  # error: call-overload
    sd.ask(q, space, temperature=["hot"])  # error: list-item
    sd.Tempered("random_walk", [0.1, 1.0])  # error: arg-type
    sd.Tempered(sd.Tempered("auto", [0.1, 1.0]), [0.1, 1.0])  # error: arg-type
    sd.ask(q, space, kernel="mala")  # error: call-overload
    q.evaluate(space, [[1.0]])  # error: arg-type
    q.gradient([[1.0]], space)  # error: arg-type


def distributions(a: sd.Model, q: sd.Question, space: sd.Space) -> None:
    sd.posterior.gaussian(q, 0.1, 100)  # error: arg-type
    sd.posterior.gaussian(a, 0.1, "many")  # error: arg-type
    sd.ensemble(a)  # error: arg-type
    sd.pullback(a, sd.decoders.BoxSigmoid(space))  # error: arg-type
    sd.pullback(q, 1.0)  # error: arg-type
    sd.variational(q, space, family="gamma")  # error: arg-type
    sd.variational(space, q)  # error: arg-type
    sd.linear_gaussian(np.zeros((9, 2)), np.zeros(9))  # error: call-arg
