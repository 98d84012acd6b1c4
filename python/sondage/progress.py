"""A progress bar on the terminal, or nothing."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar", "progress_bar"]


class ProgressBar(Protocol):
    """What shows how far a run is."""

    def update(self, done: int) -> None:
        """Say that the slowest chain has done so many steps of all, warm-up included."""


class _Silent:
    def update(self, done: int) -> None:
        pass


class _Rich:
    def __init__(self, progress: Progress, task: TaskID, total: int, warmup: int) -> None:
        self._progress = progress
        self._task = task
        self._total = total
        self._warmup = warmup

    def update(self, done: int) -> None:
        steps = min(max(done, 0), self._total)
        phase = "warm-up" if steps < self._warmup else "sampling"
        with contextlib.suppress(OSError, ValueError):  # stderr may have been closed
            self._progress.update(self._task, completed=steps, description=phase)


@contextlib.contextmanager
def progress_bar(total: int, warmup: int, enabled: bool | None = None) -> Iterator[ProgressBar]:
    """Show phase, steps, rate and time left of a run on standard error.

    Parameters
    ----------
    total : int
        Steps of one chain, warm-up included.
    warmup : int
        The first of these.
    enabled : bool, optional
        None: only if rich is installed and standard error is a terminal. Without rich, silent.

    Yields
    ------
    ProgressBar

    Examples
    --------
    >>> with progress_bar(1000, 200, enabled=False) as bar:
    ...     bar.update(500)
    """
    progress = _rich_progress() if enabled or (enabled is None and _is_terminal()) else None
    if progress is None:
        yield _Silent()
        return
    task = progress.add_task("warm-up" if warmup else "sampling", total=max(total, 1))
    with contextlib.suppress(OSError, ValueError):
        progress.start()
    try:
        yield _Rich(progress, task, max(total, 1), warmup)
    finally:
        with contextlib.suppress(OSError, ValueError):
            progress.stop()


def _is_terminal() -> bool:
    stream = sys.stderr
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _rich_progress() -> Progress | None:
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text
    except ImportError:
        return None

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} steps/s" if task.speed else "")

    if sys.stderr is None:
        return None
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
