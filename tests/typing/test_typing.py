"""Run mypy --strict over the users' code in this folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import sondage

FOLDER = Path(__file__).parent
PACKAGE = Path(sondage.__file__).parent

# Without a cache mypy reads the types of numpy and polars first.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def found(pytestconfig: pytest.Config) -> Counter[tuple[str, int, str]]:
    """Return the file, line and code of each error, from one run of mypy."""
    environment = dict(os.environ)
    if "site-packages" not in PACKAGE.parts:
        environment["MYPYPATH"] = str(PACKAGE.parent)
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "mypy", "--strict", "--config-file", os.devnull, "--no-error-summary"),
            *("--cache-dir", str(pytestconfig.rootpath / ".mypy_cache" / "typing")),
            *(str(FOLDER / name) for name in ("accepted.py", "rejected.py")),
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert run.returncode in (0, 1), run.stderr + run.stdout
    errors = re.findall(r"^(.*?):(\d+): error: .*\[([\w-]+)\]$", run.stdout, re.MULTILINE)
    assert len(errors) == run.stdout.count(": error: "), run.stdout
    return Counter((Path(file).name, int(line), code) for file, line, code in errors)


def test_accepted(found: Counter[tuple[str, int, str]]) -> None:
    assert [error for error in found if error[0] != "rejected.py"] == []


def test_rejected(found: Counter[tuple[str, int, str]]) -> None:
    lines = (FOLDER / "rejected.py").read_text().splitlines()
    marked = {
        ("rejected.py", number, mark[1])
        for number, line in enumerate(lines, start=1)
        if (mark := re.search(r"# error: ([\w-]+)$", line))
    }
    assert len(marked) == sum("# error: " in line for line in lines)
    assert {error for error in found if error[0] == "rejected.py"} == marked
