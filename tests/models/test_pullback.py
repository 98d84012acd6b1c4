"""Trees brought back to raw columns reach the leaf that their features would reach."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sondage.models import _regrow
from sondage.models._adapter import NotNative
from sondage.models._features import Chain, Feature, Features, RawColumn, Step, Table
from sondage.models._pullback import pull_back
from sondage.models._trees import Nodes

Rng = np.random.Generator


def leaves(nodes: Nodes, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leaf values (rows, trees) by walking every row, with no thought for speed."""
    out = np.empty((len(rows), len(nodes.roots)))
    for i, row in enumerate(rows):
        for t, root in enumerate(nodes.roots):
            node = int(root)
            while nodes.left[node] >= 0:
                node = int((nodes.right if goes_right(nodes, node, row) else nodes.left)[node])
            out[i, t] = nodes.value[node, 0]
    return out


def goes_right(nodes: Nodes, node: int, row: NDArray[np.float64]) -> bool:
    x = row[nodes.feature[node]]
    if np.isnan(x) or (nodes.zero_missing[node] and abs(x) <= nodes.zero):
        return bool(nodes.missing_right[node])
    own = nodes.set_index[node]
    if own >= 0:
        codes = nodes.set_codes[nodes.set_starts[own] : nodes.set_starts[own + 1]]
        return bool(np.trunc(x) in codes)
    return bool(x > nodes.cut[node])


def grow(
    rng: Rng, features: Features, n_trees: int, depth: int, zero: float, share_zero: float
) -> Nodes:
    """Random trees whose cuts and sets are values that the features take, or near them."""
    table: list[list[float]] = []
    sets: dict[int, list[int]] = {}

    def node(level: int) -> int:
        number = len(table)
        table.append([0.0, 0.0, -1.0, -1.0, rng.normal(), 0.0, 0.0])
        if level == 0 or rng.random() < 0.1:
            return number
        j = int(rng.integers(len(features)))
        feature = features.features[j]
        entry = table[number]
        entry[0], entry[5] = float(j), float(rng.random() < 0.5)
        plain = isinstance(feature, Table) or not any(s.kind != "impute" for s in feature.steps)
        if plain and rng.random() < 0.3:
            sets[number] = [int(c) for c in rng.integers(0, 6, size=rng.integers(1, 5))]
        else:
            entry[1] = cut_for(rng, features, j)
            entry[6] = float(rng.random() < share_zero)
        entry[2] = float(node(level - 1))
        entry[3] = float(node(level - 1))
        return number

    roots = [node(depth) for _ in range(n_trees)]
    array = np.array(table)
    return Nodes.of(
        roots=np.array(roots),
        feature=array[:, 0].astype(np.int64),
        cut=array[:, 1],
        left=array[:, 2].astype(np.int64),
        right=array[:, 3].astype(np.int64),
        value=array[:, 4],
        missing_right=array[:, 5] > 0,
        sets=sets,
        zero_missing=array[:, 6] > 0,
        zero=zero,
    )


def cut_for(rng: Rng, features: Features, j: int) -> float:
    choice = rng.random()
    if choice < 0.1:
        return float(rng.choice([0.0, -0.0, np.inf, -np.inf, 1e308, -1e308, 1e-36]))
    rows = raw_rows(rng, features, 1)
    value = float(features.encode(rows)[0, j])
    if np.isnan(value) or choice < 0.5:
        return float(rng.normal())
    return float(np.nextafter(value, rng.choice([-np.inf, value, np.inf])))


def raw_rows(rng: Rng, features: Features, n: int) -> NDArray[np.float64]:
    columns = []
    for column in features.columns:
        if column.levels is None:
            x = rng.choice([rng.normal(size=n), 100.0 * rng.normal(size=n), rng.integers(-3, 6, n)])
            special = [0.0, -0.0, -1.0, 1e-36, 1e300, -1e300, 1.7e308, 5e-324, np.e - 1.0]
            x = np.where(rng.random(n) < 0.15, rng.choice(special, n), x)
        else:
            x = rng.integers(-1, len(column.levels), n).astype(float)
        columns.append(np.where(rng.random(n) < 0.1, np.nan, x))
    return np.column_stack(columns)


def hard_rows(rng: Rng, features: Features, raw: Nodes, n: int) -> NDArray[np.float64]:
    """Raw rows, of which most have one entry at or beside a cut of the pulled-back trees."""
    rows = raw_rows(rng, features, n)
    inner = np.flatnonzero((raw.left >= 0) & (raw.set_index < 0))
    if not len(inner):
        return rows
    for i, node in enumerate(rng.choice(inner, n)):
        cut = raw.cut[node]
        if rng.random() < 0.8 and features.columns[raw.feature[node]].levels is None:
            with np.errstate(over="ignore"):
                beside = np.nextafter(cut, rng.choice([-np.inf, cut, np.inf]))
            rows[i, raw.feature[node]] = beside
    return rows


steps = st.one_of(
    st.builds(Step, st.sampled_from(["sub", "add"]), st.floats(-50, 50)),
    st.builds(
        Step,
        st.sampled_from(["mul", "div"]),
        st.one_of(st.floats(1e-3, 1e3), st.floats(-1e3, -1e-3)),
    ),
    st.builds(Step, st.sampled_from(["max", "min", "impute"]), st.floats(-3, 3)),
    st.just(Step("log1p")),
)


@st.composite
def feature_sets(draw: st.DrawFn) -> Features:
    columns = (RawColumn(), RawColumn(), RawColumn(levels=("a", "b", "c", "d")))
    numbers = st.floats(-3, 3) | st.just(0.0) | st.just(float("nan")) | st.integers(0, 5)
    tables = st.builds(
        lambda values, unknown, missing: Table(2, tuple(values), unknown, missing),
        st.lists(numbers.map(float), min_size=4, max_size=4),
        numbers.map(float),
        numbers.map(float),
    )
    chains = st.builds(
        lambda column, own: Chain(column, tuple(own)),
        st.integers(0, 1),
        st.lists(steps, max_size=5),
    )
    found: list[Feature] = draw(st.lists(chains | tables, min_size=1, max_size=5))
    return Features(columns, tuple(found))


def check(features: Features, nodes: Nodes, rng: Rng, n: int = 60) -> Nodes:
    raw = pull_back(nodes, features)
    rows = hard_rows(rng, features, raw, n)
    expected = leaves(nodes, features.encode(rows))
    assert not raw.zero_missing.any()
    np.testing.assert_array_equal(leaves(raw, rows), expected)
    return raw


@settings(max_examples=120, deadline=None)
@given(features=feature_sets(), seed=st.integers(0, 2**32 - 1))
def test_every_row_reaches_its_leaf(features: Features, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(features, grow(rng, features, 3, 3, 0.0, 0.0), rng)


@settings(max_examples=120, deadline=None)
@given(
    features=feature_sets(), seed=st.integers(0, 2**32 - 1), zero=st.sampled_from([0.0, 1e-35, 0.5])
)
def test_zeros_go_where_missing_values_go(features: Features, seed: int, zero: float) -> None:
    rng = np.random.default_rng(seed)
    nodes = grow(rng, features, 3, 3, zero, 0.6)
    sets = (nodes.set_index >= 0) & nodes.zero_missing
    assert not sets.any()
    check(features, nodes, rng)


def stump(cut: float = 0.5, **changes: object) -> Nodes:
    given = {
        "roots": np.array([0]),
        "feature": np.array([0, -2, -2]),
        "cut": np.array([cut, 0.0, 0.0]),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "value": np.array([0.0, 1.0, 2.0]),
    }
    return Nodes.of(**(given | changes))  # type: ignore[arg-type]


NUMBER, LETTERS = RawColumn("x"), RawColumn("y", levels=("a", "b", "c"))


def test_raw_columns_stay_as_they_are() -> None:
    nodes = stump()
    assert pull_back(nodes, Features.of([NUMBER, LETTERS])) is nodes


def test_a_scaled_column_is_cut_where_the_library_cuts_it() -> None:
    chain = Chain(0, (Step("sub", 3.1), Step("div", -0.7)))
    raw = pull_back(stump(0.25), Features((NUMBER,), (chain,)))
    cut = raw.cut[0]
    around = np.array([cut, np.nextafter(cut, np.inf)])
    assert (chain(around) > 0.25).tolist() == [True, False]
    assert (raw.left[0], raw.right[0]) == (2, 1)


def test_unlisted_levels_go_with_unknown_ones() -> None:
    table = Table(0, (1.0, 0.0, 0.0), unknown=1.0, missing=0.0)
    raw = pull_back(stump(), Features((LETTERS,), (table,)))
    assert raw.set_codes.tolist() == [1, 2]
    assert (raw.left[0], raw.right[0]) == (2, 1)
    assert raw.missing_right[0]
    rows = np.array([[-1.0], [0.0], [1.0], [2.0], [np.nan]])
    assert leaves(raw, rows)[:, 0].tolist() == [2.0, 2.0, 1.0, 1.0, 1.0]


def test_equal_sets_are_kept_once() -> None:
    nodes = Nodes.of(
        roots=np.array([0, 3]),
        feature=np.array([0, -2, -2] * 2),
        cut=np.array([0.5, 0.0, 0.0, 0.75, 0.0, 0.0]),
        left=np.array([1, -1, -1, 4, -1, -1]),
        right=np.array([2, -1, -1, 5, -1, -1]),
        value=np.arange(6.0),
    )
    table = Table(0, (1.0, 0.0, 0.0), unknown=0.0, missing=0.0)
    raw = pull_back(nodes, Features((LETTERS,), (table,)))
    assert raw.set_codes.tolist() == [0]
    assert raw.set_index[[0, 3]].tolist() == [0, 0]


def test_a_table_with_one_answer_is_a_threshold_never_exceeded() -> None:
    table = Table(0, (1.0, 1.0, 1.0), unknown=1.0, missing=np.nan)
    raw = pull_back(stump(), Features((LETTERS,), (table,)))
    assert raw.set_index[0] == -1
    assert raw.cut[0] == np.inf
    rows = np.array([[-1.0], [0.0], [np.nan]])
    assert leaves(raw, rows)[:, 0].tolist() == [2.0, 2.0, 1.0]


def test_a_logarithm_has_no_value_below_minus_one() -> None:
    chain = Chain(0, (Step("log1p"),))
    nodes = stump(np.log1p(4.0), missing_right=np.array([True, False, False]))
    raw = pull_back(nodes, Features((NUMBER,), (chain,)))
    rows = np.array([[-1.5], [-1.0], [4.0], [4.5], [np.nan]])
    assert leaves(raw, rows)[:, 0].tolist() == [2.0, 1.0, 1.0, 2.0, 2.0]


def test_a_missing_value_is_cut_after_it_is_filled() -> None:
    chain = Chain(0, (Step("impute", 7.0), Step("sub", 5.0)))
    raw = pull_back(stump(1.0), Features((NUMBER,), (chain,)))
    assert raw.missing_right[0]
    assert raw.cut[0] == 6.0


def test_categorical_splits_on_a_scaled_number_have_no_form() -> None:
    nodes = stump(sets={0: [1, 2]})
    with pytest.raises(NotNative, match="categorical split"):
        pull_back(nodes, Features((NUMBER,), (Chain(0, (Step("mul", 2.0),)),)))


@pytest.mark.parametrize("step", [Step("div", 0.0), Step("mul", 0.0), Step("sub", np.nan)])
def test_a_step_without_order_is_refused(step: Step) -> None:
    with pytest.raises(NotNative, match=step.kind):
        pull_back(stump(), Features((NUMBER,), (Chain(0, (step,)),)))


def zero_comb(n_columns: int, depth: int) -> Nodes:
    """Return a full tree that asks every column in turn, zeros going the other way."""
    n = 2 ** (depth + 1) - 1
    inner = np.arange(n) < 2**depth - 1
    level = np.floor(np.log2(np.arange(n) + 1)).astype(np.int64)
    return Nodes.of(
        roots=np.array([0]),
        feature=np.where(inner, level % n_columns, -2),
        cut=np.where(inner, 1.0, 0.0),
        left=np.where(inner, 2 * np.arange(n) + 1, -1),
        right=np.where(inner, 2 * np.arange(n) + 2, -1),
        value=np.arange(float(n)),
        missing_right=inner,
        zero_missing=inner,
    )


def test_what_cannot_be_reached_is_left_out() -> None:
    features = Features.of([RawColumn()])
    nodes = zero_comb(1, 6)
    raw = check(features, nodes, np.random.default_rng(0))
    assert len(raw.left) == 7


def test_trees_that_grow_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features.of([RawColumn() for _ in range(8)])
    nodes = zero_comb(8, 8)
    raw = check(features, nodes, np.random.default_rng(0))
    monkeypatch.setattr(_regrow, "_MOST_NODES", len(raw.left) - 1)
    with pytest.raises(NotNative, match="zeros as missing"):
        pull_back(nodes, features)


def test_a_missing_value_filled_with_zero_counts_as_missing() -> None:
    features = Features((NUMBER,), (Chain(0, (Step("impute", 0.0),)),))
    nodes = stump(
        -1.0, missing_right=np.zeros(3, bool), zero_missing=np.array([True, False, False])
    )
    rows = np.array([[np.nan], [0.0], [-2.0], [-0.5], [0.5]])
    assert leaves(pull_back(nodes, features), rows)[:, 0].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
