"""``sondage ask`` and ``sondage report``: what they answer, and what they say of bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sondage as sd
from sondage import cli

xgboost = pytest.importorskip("xgboost")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two model files and the rows that they were fitted on."""
    folder = tmp_path_factory.mktemp("ask")
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "age": rng.integers(18, 80, 300),
            "income": rng.uniform(0.0, 90.0, 300),
            "debt": rng.uniform(0.0, 30.0, 300),
            "note": ["text"] * 300,
        }
    )
    frame.write_csv(folder / "rows.csv")
    x = frame.drop("note").to_pandas()
    pays = (x["income"] - 2 * x["debt"] > 0).astype(int)
    for name, depth in (("a", 3), ("b", 1)):
        fitted = xgboost.XGBClassifier(n_estimators=8, max_depth=depth, random_state=0)
        fitted.fit(x, pays).save_model(folder / f"{name}.json")
    xgboost.XGBRegressor(n_estimators=8, max_depth=3).fit(x, x["debt"]).save_model(
        folder / "value.ubj"
    )
    return folder


def run(folder: Path, *words: str) -> int:
    """Run ``sondage ask`` with few draws, on the rows of the folder."""
    few = ["--draws", "20", "--chains", "2", "--seed", "1"]
    return cli.main(["ask", *words, "--data", str(folder / "rows.csv"), *few])


def test_an_answer_is_saved_and_reported(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = files / "answer.parquet", files / "answer.html"
    code = run(
        files, "fixed-label", "--model", str(files / "a.json"), "--target", "1", "--row", "3",
        "--fix", "age,debt", "--range", "income=5:80", "--integer", "age", "--temperature", "0.05",
        "--out", str(out), "--report", str(page),
    )  # fmt: skip
    said = capsys.readouterr()
    answer = sd.load_answer(out)
    row = pl.read_csv(files / "rows.csv").row(3, named=True)
    assert answer.draws.shape == (2, 20, 3)
    assert answer.space.kinds["income"] == sd.Continuous(5.0, 80.0)
    assert (answer.frame["age"] == row["age"]).all()
    assert (answer.frame["debt"] == row["debt"]).all()
    assert answer.frame["age"].dtype == pl.Int64
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "fixed_label(a, 1" in repr(answer.question)
    assert code == (0 if answer.valid.all() else 1)
    assert f"written: {out}" in said.out
    assert cli.main(["report", str(out), "--out", str(files / "again.html")]) == 0
    assert (files / "again.html").exists()


def test_rows_that_are_not_valid_are_code_1(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(files / "a.json")
    assert run(files, "fixed-label", "--model", model, "--target", "1", "--temperature", "9") == 1
    error = capsys.readouterr().err
    assert "rows are valid; a lower --temperature" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["risky", "--model", "a.json"],
        ["contrast", "--model", "a.json", "--model", "b.json", "--temperature", "0.001"],
        ["fixed-label", "--model", "value.ubj", "--target", "3:30", "--temperature", "0.001"],
        ["risky", "--model", "a.json", "--row", "0", "--near", "2", "--kernel", "random-walk"],
    ],
)
def test_every_question(files: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    assert run(files, *words) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fixed-label", "--model", "a.json"], "--target is missing; the classes are 0, 1"),
        (["fixed-label", "--model", "a.json", "--target", "yes"], "'yes'; the classes are"),
        (["fixed-label", "--model", "value.ubj", "--target", "a:b"], "a band low:high"),
        (["risky", "--model", "a.json", "--target", "1"], "--target is for fixed-label"),
        (["contrast", "--model", "a.json"], "contrast is about 2 models"),
        (["risky", "--model", "none.json"], "none.json"),
        (["risky", "--model", "a.json", "--row", "300"], "rows 0 to 299"),
        (["risky", "--model", "a.json", "--fix", "age"], "add --row"),
        (["risky", "--model", "a.json", "--fix", "size", "--row", "1"], "'size'"),
        (["risky", "--model", "a.json", "--range", "age=90:20"], "upside down"),
        (["risky", "--model", "a.json", "--temperature", "-1"], "temperature"),
        (["sensitive", "--model", "a.json"], "trees"),
        (["risky", "--model", "a.json", "--out", "nowhere/x.parquet"], "no folder"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    files: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    assert run(files, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_other_data(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.read_csv(files / "rows.csv").drop("debt").write_parquet(files / "less.parquet")
    (files / "broken.parquet").write_text("no parquet")
    model = ["--model", str(files / "a.json")]
    for name, said in (
        ("less.parquet", "--data lacks: 'debt'"),
        ("broken.parquet", "cannot be read"),
        ("a.json", "ends in .csv"),
        ("none.csv", "no such file"),
    ):
        assert cli.main(["ask", "risky", *model, "--data", str(files / name)]) == 2
        assert said in capsys.readouterr().err


def test_sensitive_is_about_models_with_parameters(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skops = pytest.importorskip("skops.io")
    frame = pl.read_csv(files / "rows.csv").drop("note").to_pandas()
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, frame["debt"] > 15)
    skops.dump(fitted, files / "linear.skops")
    words = ["sensitive", "--model", str(files / "linear.skops"), "--noise", "0.5"]
    code = run(files, *words)
    said = capsys.readouterr()
    assert code in {0, 1}, said.err
    assert "2 chains × 20 draws" in said.out
    assert "linear" in said.out
