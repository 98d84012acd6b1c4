"""The progress bar shows on a terminal and is silent elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from sondage.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Must be called from the test itself: pytest sets its own stream between fixture and test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


@pytest.mark.parametrize("enabled", [True, None])
def test_phases_and_steps_show_on_a_terminal(monkeypatch, enabled) -> None:
    terminal = use_terminal(monkeypatch)
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    with progress_bar(1000, 200, enabled) as bar:
        bar.update(100)
        bar._progress.refresh()
        bar.update(900)
        bar._progress.refresh()
    shown = terminal.getvalue()
    assert "warm-up" in shown
    assert "sampling" in shown
    assert "900/1000" in shown
    assert printed.getvalue() == ""


def test_silent_when_not_wanted(monkeypatch) -> None:
    terminal = use_terminal(monkeypatch)
    with progress_bar(1000, 200, enabled=False) as bar:
        bar.update(500)
    assert terminal.getvalue() == ""


def test_silent_without_a_terminal(capsys) -> None:
    with progress_bar(1000, 200) as bar:
        bar.update(500)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("enabled", [True, None])
def test_silent_without_rich(monkeypatch, enabled) -> None:
    terminal = use_terminal(monkeypatch)
    for module in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, module, None)
    with progress_bar(1000, 200, enabled) as bar:
        bar.update(500)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("done", [-5, 10**9])
def test_odd_counts_do_not_raise(monkeypatch, done) -> None:
    use_terminal(monkeypatch)
    with progress_bar(0, 0, enabled=True) as bar:
        bar.update(done)


def test_a_closed_or_missing_stream_does_not_raise(monkeypatch) -> None:
    closed = Terminal()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        for enabled in (True, None):
            with progress_bar(10, 5, enabled=enabled) as bar:
                bar.update(7)


def test_errors_of_the_run_pass_through(monkeypatch) -> None:
    use_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), progress_bar(10, 5, enabled=True):
        raise KeyboardInterrupt
