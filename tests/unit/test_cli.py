"""The command line: exit codes, what goes to which stream, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sondage as sd
from sondage import _core, bench, cli, demo, doctor
from sondage.bench import BenchResult, Measurement
from sondage.bench.registry import require_release


def small_result() -> BenchResult:
    row = Measurement("a kernel", 16, 1, 1000, 0.5, 4000.0, 60_000.0, 1e6, exact=True)
    return BenchResult.now("wine", (row,), ("a note",))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"sondage {sd.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "--draws"], ["demo", "--out"]])
def test_bad_arguments_are_one_line_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    streams = capsys.readouterr()
    assert stop.value.code == 2
    assert streams.out == ""
    assert streams.err.count("\n") == 1


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "doctor" in capsys.readouterr().out


def test_unknown_bench_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "beer"]) == 2
    error = capsys.readouterr().err
    assert "'beer'" in error
    assert "wine" in error
    assert error.count("\n") == 1


def test_json_into_no_folder_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never() -> BenchResult:
        pytest.fail("measured although the file cannot be written")

    monkeypatch.setattr(bench.registry, "BENCHES", {"wine": never})
    assert cli.main(["bench", "wine", "--json", str(tmp_path / "no" / "x.json")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_bench_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench.registry, "BENCHES", {"wine": small_result})
    monkeypatch.setattr(_core, "build_info", lambda: {"profile": "release"})
    file = tmp_path / "wine.json"
    assert cli.main(["bench", "wine", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "a kernel" in out
    assert "a note" in out
    (stored,) = json.loads(file.read_text(encoding="utf-8"))
    assert stored["rows"][0]["per_step"] == 60_000.0
    assert stored["machine"]["cores"] >= 1
    assert stored["build"] == {"profile": "release"}


def test_debug_builds_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_core, "build_info", lambda: {"profile": "debug"})
    assert cli.main(["bench", "wine"]) == 1
    assert "debug build" in capsys.readouterr().err
    with pytest.raises(sd.SondageError, match="debug"):
        require_release({"profile": "debug"})


def test_errors_of_the_library_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(out: Path) -> demo.DemoResult:
        raise sd.SamplingError("no start\nfound")

    monkeypatch.setattr(demo, "run", fail)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "sondage: no start found\n"


def test_demo_refuses_a_file_as_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x"
    file.touch()
    assert cli.main(["demo", "--out", str(file)]) == 2
    assert "give a folder" in capsys.readouterr().err


def test_demo_shows_what_the_issue_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = demo.run(tmp_path, draws=50, chains=2)
    monkeypatch.setattr(demo, "run", lambda _: result)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for expected in (
        "forest 94.44 %",
        "tree 88.89 %",
        "alcohol",
        "class_2",
        "class probabilities",
        "R-hat",
        "ESS",
        "steps per second",
        str(tmp_path / "wine.html"),
    ):
        assert expected in out


def test_doctor_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "numpy" in out
    assert "build profile" in out
    assert "passed" in out


def test_doctor_fails_on_a_wrong_law(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "truncated_normal", lambda *_: (0.35, 0.2))
    assert cli.main(["doctor"]) == 1
    streams = capsys.readouterr()
    assert "FAILED" in streams.out
    assert streams.err == "sondage: the self-check failed\n"


BARE = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
from sondage.cli import main
sys.exit(main(sys.argv[2:]))
"""
EXTRAS = "sklearn,matplotlib,jinja2,rich,arviz_stats,arviz_base,pandas,pyarrow"


def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as where no extra is installed."""
    return subprocess.run(
        [sys.executable, "-c", BARE, EXTRAS, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_doctor_needs_no_extra() -> None:
    found = bare("doctor")
    assert found.returncode == 0, found.stderr
    assert "passed" in found.stdout


@pytest.mark.parametrize("command", ["demo", "bench"])
def test_commands_name_the_extra_they_need(command: str) -> None:
    found = bare(command)
    assert found.returncode == 1
    assert "pip install 'sondage[demo]'" in found.stderr
    assert found.stderr.count("\n") == 1


def test_truncated_normal_against_quadrature() -> None:
    import numpy as np

    grid = np.linspace(-0.5, 2.0, 200_001)
    density = np.exp(-0.5 * ((grid - 0.4) / 0.7) ** 2)
    mean = (grid * density).sum() / density.sum()
    sd_exact = np.sqrt(((grid - mean) ** 2 * density).sum() / density.sum())
    assert doctor.truncated_normal(0.4, 0.7, -0.5, 2.0) == pytest.approx((mean, sd_exact), rel=1e-4)


def test_a_reader_that_goes_away_is_no_complaint() -> None:
    program = "import sys; from sondage.cli import main; sys.exit(main(['doctor']))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
