"""A few kills of `kill.py`, which makes as many as one likes."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and a fork server")
def test_killed_runs_go_on_as_if_nothing_had_happened() -> None:
    script = Path(__file__).with_name("kill.py")
    done = subprocess.run(
        [sys.executable, script, "--kills", "8"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kills, *_, changed, failed = done.stdout.splitlines()[-1].split()[1:]
    assert (kills, changed, failed) == ("8", "0", "0")
