"""Conditions on several columns: the language, and which rows a space holds."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import sondage as sd

SPACE = sd.Space(
    {
        "a": sd.Continuous(0.0, 10.0),
        "b": sd.Continuous(-5.0, 5.0),
        "k": sd.Integer(0, 9),
        "job": sd.Categorical(["cook", "none", "smith"]),
        "zone": sd.Categorical([1, 2, 4]),
        "member": sd.Categorical([False, True]),
        "two words": sd.Continuous(0.0, 1.0),
        "sex": sd.Fixed("f"),
        "rate": sd.Fixed(2.0),
        "paid": sd.Fixed(True),
    }
)


def rows(n: int = 500, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "a": rng.uniform(0, 10, n).round(1),
            "b": rng.uniform(-5, 5, n).round(1),
            "k": rng.integers(0, 10, n),
            "job": rng.choice(["cook", "none", "smith"], n),
            "zone": rng.choice([1, 2, 4], n),
            "member": rng.random(n) < 0.5,
            "two words": rng.random(n),
            "sex": ["f"] * n,
            "rate": [2.0] * n,
            "paid": [True] * n,
        }
    )


A, B, K, JOB = pl.col("a"), pl.col("b"), pl.col("k"), pl.col("job")
MEMBER, WORDS = pl.col("member"), pl.col("two words")


class TestLanguage:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a <= 2*b + 1", A <= 2 * B + 1),
            ("a < b", A < B),
            ("a > b", A > B),
            ("a >= b", A >= B),
            ("k == 3", K == 3),
            ("k != 3", K != 3),
            ("1 < a <= k < 9", (A > 1) & (A <= K) & (K < 9)),
            ("-b*2 < a", -B * 2 < A),
            ("- (b + 1) < a", -(B + 1) < A),
            ("+b < a - -1", B < A + 1),
            ("a - b - 1 > 2", A - B - 1 > 2),
            ("8 / k / 2 > 1", 8 / K / 2 > 1),
            ("a * (b + k) > 1e1", A * (B + K) > 10),
            ("abs(b) <= .5", B.abs() <= 0.5),
            ("min(a, b, k) >= 1.", pl.min_horizontal(A, B, K) >= 1),
            ("max(a, 2 * b) < 1_0 - 5", pl.max_horizontal(A, 2 * B) < 5),
            ("k in [1, 2, 5]", K.is_in([1, 2, 5])),
            ("k not in [1, 2, 5,]", ~K.is_in([1, 2, 5])),
            ("k in [-1, 2]", K.is_in([-1, 2])),
            ("job == 'cook'", JOB == "cook"),
            ('"cook" != job', JOB != "cook"),
            ("job in ['cook', 'none']", JOB.is_in(["cook", "none"])),
            ("job not in ['cook']", JOB != "cook"),
            ("zone == 2", pl.col("zone") == 2),
            ("zone in [1, 4]", pl.col("zone").is_in([1, 4])),
            ("member", MEMBER),
            ("not member", ~MEMBER),
            ("member == True and a > 5", MEMBER & (A > 5)),
            ("member != True", ~MEMBER),
            ("not (a < b or k > 3)", ~((A < B) | (K > 3))),
            ("not a < b and not k in [1]", ~(A < B) & (K != 1)),
            ("a < 1 or b < 1 and k < 1", (A < 1) | ((B < 1) & (K < 1))),
            ("(a < 1 or b < 1) and k < 1", ((A < 1) | (B < 1)) & (K < 1)),
            ("job == 'none' => a <= 2", (JOB != "none") | (A <= 2)),
            ("a < 5 => b < 0 => k < 5", (A >= 5) | (B >= 0) | (K < 5)),
            ("(a < 5 => b < 0) => k < 5", ((A < 5) & (B >= 0)) | (K < 5)),
            ("not (member => a > 5)", MEMBER & (A <= 5)),
            ("a > 5 or member => k > 3", ~((A > 5) | MEMBER) | (K > 3)),
            ("`two words` < 0.5", WORDS < 0.5),
            ("sex == 'f' => a < 5", A < 5),
            ("sex == 'm' => a < 5", pl.lit(value=True)),
            ("a < rate", A < 2),
            ("paid and a < 5", A < 5),
            ("a < 5 or paid == False", A < 5),
            ("True and a < 5", A < 5),
            ("False or a < 5", A < 5),
        ],
    )
    def test_says_what_python_and_polars_say(self, text: str, expected: pl.Expr) -> None:
        frame = rows()
        inside = SPACE.where(text).contains(frame)
        assert inside.tolist() == frame.select(expected.alias("it"))["it"].to_list() or (
            text.startswith("sex == 'm'") and inside.all()
        )

    @pytest.mark.parametrize(
        ("text", "part", "said"),
        [
            ("a <=", "'a <='", "ends too early"),
            ("  ", "condition", "must not be empty"),
            ("a < b)", "')'", "cannot stand there"),
            ("(a < b", "'(a < b'", "ends too early: ')' is needed"),
            ("a b < 1", "'b'", "an operator or the end"),
            ("a = 1", "'= 1'", "write =="),
            ("a < 1 & b < 1", "'& b < 1'", "write and"),
            ("a ** 2 < 1", "'*'", "allowed are + - * /"),
            ("2a < 1", "'2a < 1'", "write *"),
            ("1.2.3 < a", "'.3'", "cannot stand there"),
            ("`a < 1", "'`a < 1'", "backtick"),
            ("job == 'cook", '"\'cook"', "quote"),
            ("c < 1", "'c'", "no column of the space"),
            ("sin(a) < 1", "'sin('", "abs, min, max"),
            ("abs(a, b) < 1", "'abs(a, b)'", "one number"),
            ("max(a) < 1", "'max(a)'", "two numbers or more"),
            ("a", "'a'", "is no condition"),
            ("a + 1", "'a + 1'", "is no condition"),
            ("(a < b) + 1 < 2", "'(a < b)'", "a number is needed"),
            ("not a < 'x'", "\"a < 'x'\"", "compares 'x', a level, with a"),
            ("a == True", "'a == True'", "a level"),
            ("job", "'job'", "is no condition"),
            ("job < 'cook'", "\"job < 'cook'\"", "asks for an order"),
            ("job == 'king'", "\"job == 'king'\"", "its levels are 'cook', 'none', 'smith'"),
            ("job == 3", "'job == 3'", "no level of column 'job'"),
            ("zone == 3", "'zone == 3'", "its levels are 1, 2, 4"),
            ("member == 1", "'member == 1'", "no level of column 'member'"),
            ("job == zone", "'job == zone'", "against their levels alone"),
            ("job == a", "'job == a'", "against their levels alone"),
            ("job + 1 < a", "'job'", "is a category"),
            ("'a' == 'b'", "\"'a' == 'b'\"", "a level"),
            ("k in []", "'[]'", "is empty"),
            ("k in [a]", "'a'", "a list, which holds numbers and levels"),
            ("k in 3", "'3'", "'[' is needed"),
            ("k not 3", "'3'", "'in' is needed"),
            ("job in ['king']", "\"job in ['king']\"", "no level of column 'job'"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, text: str, part: str, said: str) -> None:
        with pytest.raises(sd.SpaceError) as caught:
            SPACE.where(text)
        message = str(caught.value)
        assert part in message
        assert said in message
        assert text.strip() in message.replace('\\"', '"') or not text.strip()

    def test_long_conditions_are_read_and_endless_ones_refused(self) -> None:
        names = {f"x{j}": sd.Continuous(0.0, 1.0) for j in range(200)}
        space = sd.Space(names).where(" + ".join(names) + " <= 100")
        assert space.contains(np.full((1, 200), 0.4)).all()
        with pytest.raises(sd.SpaceError, match="nested too deeply"):
            SPACE.where("(" * 20_000 + "a < 1" + ")" * 20_000)

    def test_what_is_undefined_does_not_hold(self) -> None:
        frame = rows(1).with_columns(k=pl.lit(0))
        for text in ("k / k == 1", "k / k != 1", "not k / k == 1"):
            assert not SPACE.where(text).contains(frame).any()
        assert SPACE.where("1 / k > 3").contains(frame).all()


class TestSpace:
    def test_impossible_and_thin_conditions_are_refused_where_they_are_said(self) -> None:
        with pytest.raises(sd.SpaceError, match=r"no row of the space meets.*'a > 10'.*Continuous"):
            SPACE.where("a > 10")
        with pytest.raises(sd.SpaceError, match=r"meets the constraint .sex == 'm'"):
            SPACE.where("sex == 'm'")
        for thin in ("a == b", "a == 2*b and k > 1", "a in [1, 2]", "3 * a - k == 1"):
            with pytest.raises(sd.SpaceError, match=r"equality of real numbers.*band"):
                SPACE.where(thin)
        for wide in ("a != b", "a == b or k > 1", "max(b, 0) == 0", "not a == b", "k == 1"):
            SPACE.where(wide)

    def test_arguments_are_checked(self) -> None:
        with pytest.raises(sd.SpaceError, match="condition is int"):
            SPACE.where(3)  # type: ignore[arg-type]
        with pytest.raises(sd.SpaceError, match="name='x' is for functions"):
            SPACE.where("a < 1", name="x")
        with pytest.raises(sd.SpaceError, match="name='' must not be empty"):
            SPACE.where(lambda frame: frame["a"] > 1, name="")

    def test_a_new_space_with_repr_and_equality(self) -> None:
        one = SPACE.where("a < 3").where("b < k")
        assert repr(one).endswith(".where('a < 3').where('b < k')")
        assert SPACE.where("a < 3") == SPACE.where(" a < 3 ") != SPACE
        assert one != SPACE.where("b < k").where("a < 3")
        assert pickle.loads(pickle.dumps(one)) == one

        def low(frame: pl.DataFrame) -> pl.Series:
            return frame["a"] < 1

        assert repr(SPACE.where(low)).endswith(".where(low)")
        assert repr(SPACE.where(low, name="poor")).endswith(".where(low, name='poor')")
        assert SPACE.where(low) == SPACE.where(low)

    def test_fix_and_around_keep_constraints(self) -> None:
        space = (
            sd.Space(
                {"a": sd.Integer(0, 9), "b": sd.Integer(0, 9), "sex": sd.Fixed()},
                increase_only=["a"],
            )
            .where("a <= b")
            .where("sex == 'm' => b < 5")
        )
        frame = pl.DataFrame({"a": [3, 3, 3, 3], "b": [2, 8, 4, 8], "sex": ["m", "m", "m", "f"]})
        assert space.contains(frame).tolist() == [False, False, True, True]
        around = space.around({"a": 2, "b": 1, "sex": "f"})  # a query may break constraints
        assert around.contains(frame).tolist() == [False, False, False, True]
        assert space.fix({"b": 4}).contains(frame).tolist() == [False, False, True, False]
        with pytest.raises(sd.SpaceError, match=r"'a <= b'; its columns: 'a'.*'b': Fixed"):
            space.fix({"b": 1}).around({"a": 2, "b": 1, "sex": "f"}).sampleable()

    def test_frames_of_other_kinds(self) -> None:
        space = SPACE.where("job == 'none' => a <= 2").where("member or k < 5")
        frame = rows()
        expected = space.contains(frame)
        assert expected.any()
        assert not expected.all()
        pandas = frame.to_pandas().astype({"job": "category"})
        assert space.contains(pandas).tolist() == expected.tolist()
        assert space.contains(frame.to_arrow()).tolist() == expected.tolist()
        plain = sd.Space({"x": sd.Continuous(0, 1), "y": sd.Continuous(0, 1)}).where("x < y")
        assert plain.contains(np.array([[0.1, 0.2], [0.2, 0.1], [0.1, 2.0]])).tolist() == [
            True,
            False,
            False,
        ]

    def test_rows_outside_are_not_asked_about(self) -> None:
        frame = pl.DataFrame({"x": [0.2, None, 7.0], "y": [0.5, 0.5, 0.5]})
        seen: list[pl.DataFrame] = []

        def low(frame: pl.DataFrame) -> pl.Series:
            seen.append(frame)
            return frame["x"] < frame["y"]

        space = sd.Space({"x": sd.Continuous(0, 1), "y": sd.Continuous(0, 1)})
        assert space.where("x < y").contains(frame).tolist() == [True, False, False]
        assert space.where(low).contains(frame).tolist() == [True, False, False]
        assert seen[0].rows() == [(0.2, 0.5)]


class TestFunctions:
    def test_get_the_columns_in_the_users_dtypes(self) -> None:
        data = rows().select(
            "a", pl.col("k").cast(pl.Int8), pl.col("job").cast(pl.Categorical), "member", "sex"
        )
        space = sd.Space.from_frame(data)
        schemas = []

        def mine(frame: pl.DataFrame) -> np.ndarray:
            schemas.append(frame.schema)
            return (frame["a"] < frame["k"]).to_numpy()

        space = space.where(mine)
        assert space.contains(data).tolist() == (data["a"] < data["k"]).to_list()
        row = data.row(0, named=True)
        answer = sd.ask(sd.near(row), space, draws=100, chains=4, seed=2, progress=False)
        assert (answer.frame["a"] < answer.frame["k"]).all()
        assert space.contains(answer.frame).all()
        assert all(schema == data.schema for schema in schemas)

    @pytest.mark.parametrize(
        ("function", "said"),
        [
            (lambda frame: frame["nothing"] > 0, "ColumnNotFoundError"),
            (lambda frame: [True], r"gave shape \(1,\) for a frame of"),
            (lambda frame: np.ones(len(frame)), "gave dtype float64; booleans are needed"),
            (lambda frame: None, r"gave shape \(\)"),
        ],
    )
    def test_failures_name_the_constraint(
        self, function: Callable[[pl.DataFrame], object], said: str
    ) -> None:
        space = SPACE.where(function, name="mine")
        with pytest.raises(sd.SpaceError, match=f"'mine'.*{said}"):
            space.contains(rows(3))
        with pytest.raises(sd.SamplingError, match=f"'mine'.*{said}") as caught:
            sd.ask(sd.near(rows(1).row(0, named=True)), space, seed=1, progress=False)
        assert caught.value.__cause__ is not None

    def test_one_that_admits_nothing_is_named(self) -> None:
        space = SPACE.where(lambda frame: np.zeros(len(frame), dtype=bool), name="never")
        with pytest.raises(sd.SamplingError, match="the constraint 'never' must hold too"):
            sd.ask(sd.near(rows(1).row(0, named=True)), space, chains=2, seed=1, progress=False)
