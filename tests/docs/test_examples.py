"""Every Python block of README.md and docs/, and every file of examples/, runs as it stands."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and code of each block."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start(1)) + 1, m.group(1)) for m in BLOCK.finditer(text)]


WITH_BLOCKS = [page for page in PAGES if blocks(page)]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_pages_and_examples_are_found() -> None:
    assert ROOT / "README.md" in WITH_BLOCKS
    assert ROOT / "docs" / "questions.md" in WITH_BLOCKS
    assert ROOT / "examples" / "wine.py" in EXAMPLES


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=named)
def test_blocks_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks(page):
        padded = "\n" * (line - 1) + code
        exec(compile(padded, str(page), "exec"), namespace)


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_example_runs(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{named(page)} links to {target}"
