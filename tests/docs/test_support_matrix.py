"""The page about models shows the support matrix that the adapters say."""

from pathlib import Path

from sondage.models.support import support_matrix, with_matrix

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_page_shows_the_matrix() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_matrix(text) == text, "run python -m sondage.models.support docs/models.md"
    assert support_matrix() in text
