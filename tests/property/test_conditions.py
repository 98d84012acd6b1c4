"""Random conditions against Python's own reading of them."""

from __future__ import annotations

import contextlib

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import sondage as sd

SPACE = sd.Space(
    {
        "a": sd.Continuous(-3.0, 3.0),
        "b": sd.Continuous(-3.0, 3.0),
        "k": sd.Integer(-2, 4),
        "job": sd.Categorical(["x", "y", "z"]),
        "flag": sd.Categorical([False, True]),
    }
)

ATOMS = st.sampled_from(["a", "b", "k", "1", "2.5", "0.5", "-1", "3"])
NUMBERS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from("+-*"), ATOMS).map(" ".join),
        # Python refuses to divide by zero.
        st.tuples(inner, st.sampled_from(["2", "4", "-0.5"])).map(" / ".join),
        inner.map(lambda text: f"abs({text})"),
        inner.map(lambda text: f"-({text})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    ),
    max_leaves=5,
)
COMPARISONS = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "!="]), NUMBERS).map(" ".join),
    st.tuples(
        ATOMS, st.sampled_from(["<", "<="]), NUMBERS, st.sampled_from(["<", ">="]), ATOMS
    ).map(" ".join),
    st.sampled_from(["k == 1", "k in [0, 2]", "k not in [1, -2]", "k * 2 == 4"]),
    st.sampled_from(["job == 'x'", "job != 'y'", "job in ['x', 'z']", "job not in ['x']"]),
    st.sampled_from(["flag", "flag == False", "True", "'y' == job"]),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["and", "or", "=>"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=6,
)


def rows() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    return pl.DataFrame(
        {
            "a": rng.uniform(-3, 3, n).round(1),
            "b": rng.uniform(-3, 3, n).round(1),
            "k": rng.integers(-2, 5, n),
            "job": rng.choice(["x", "y", "z"], n),
            "flag": rng.random(n) < 0.5,
        }
    )


def in_python(text: str) -> str:
    """Write implications, each of which stands in parentheses, as Python has them."""
    while "=>" in text:
        at = text.index("=>")
        start, depth = at - 1, 0
        while depth or text[start] != "(":
            depth += {")": 1, "(": -1}.get(text[start], 0)
            start -= 1
        text = f"{text[:start]}(not ({text[start + 1 : at]}) or {text[at + 2 :]}"
    return text


@settings(max_examples=300, deadline=None)
@given(CONDITIONS)
def test_contains_is_what_python_says(text: str) -> None:
    frame = rows()
    code = compile(in_python(text), "condition", "eval")
    expected = [bool(eval(code, {}, row)) for row in frame.iter_rows(named=True)]  # noqa: S307
    try:
        space = SPACE.where(text)
    except sd.SpaceError as error:
        said = str(error)
    else:
        assert space.contains(frame).tolist() == expected
        return
    # No row of the space meets it, or only rows that chance does not give.
    thin = "equality of real numbers" in said
    assert thin or ("no row of the space meets" in said and not any(expected)), said


@settings(max_examples=25, deadline=None)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.integers(0, 2**32))
def test_every_draw_is_in_the_space(texts: list[str], seed: int) -> None:
    space = SPACE
    # A condition of the first of these rows: not empty, though it may be narrow.
    row = rows().row(0, named=True)
    texts = [text if eval(in_python(text), {}, row) else f"not ({text})" for text in texts]  # noqa: S307
    near = sd.near({"a": 0.3, "b": -0.5, "k": 1, "job": "y", "flag": True}, norm=1)
    for text in texts:
        # An equality of real numbers is one that the row met by chance.
        with contextlib.suppress(sd.SpaceError):
            space = space.where(text)
    answer = sd.ask(near, space, draws=30, chains=3, warmup=20, seed=seed, progress=False)
    assert space.contains(answer.frame).all()
