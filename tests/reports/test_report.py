"""The report: one file, offline, everything escaped."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from sondage._text import qualified
from sondage.errors import DataError, MissingDependencyError
from sondage.persistence import fingerprint
from sondage.report import Section, content
from sondage.report.render import render_report
from sondage.space import Categorical, Continuous, Fixed, Integer

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html(answer, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "answer.html"
    section = Section("Beside the classes", "One.\n\nTwo.", pl.DataFrame({"c": ["a"], "m": [0.5]}))
    assert answer.report(path, answer.frame, title="My title", sections=[section]) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["answer.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_the_file_is_whole_and_well_formed(html, page) -> None:
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert page.open == []
    assert page.named("html")[0]["lang"] == "en"
    assert len(html) < 2_000_000


def test_nothing_is_loaded_and_nothing_runs(html, page) -> None:
    assert re.search(r"https?://", html) is None
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert all(str(image["src"]).startswith("data:image/") for image in page.named("img"))
    assert "url(" not in html
    assert "@import" not in html


def test_it_says_what_a_reader_needs(answer, page) -> None:
    for expected in (
        "My title",
        answer.diagnostics.sentence,
        answer.question.describe(),
        "exp(−",
        "τ = 0.05",
        "length on 2 continuous columns; 1 column held fixed",
        "exactly invariant",
        "Beside the classes",
        "every model in the question is constant between thresholds",
        "sd.ask(",
        "sd.Continuous(lower=18.0, upper=90.0)",
        "seed=7",
        fingerprint(answer),
        "800",
    ):
        assert expected in page.words


def test_the_measure_is_that_of_the_columns(make_answer) -> None:
    columns = {
        "x": Continuous(0, 1),
        "n": Integer(0, 9),
        "job": Categorical(["a", "b", "c"]),
        "sex": Categorical(["f", "m"]),
        "land": Fixed("nl"),
    }
    words = Page(render_report(make_answer(columns, draws=20))).words
    assert (
        "length on 1 continuous column, the count of values on 1 integer column, the count of "
        "levels on 2 categorical columns; 1 column held fixed" in " ".join(words.split())
    )


def test_many_levels_are_counted_not_cut(make_answer) -> None:
    columns = {"x": Continuous(0, 1), "town": Categorical([f"town-{k}" for k in range(30)])}
    table = content.space(make_answer(columns, draws=20))
    assert table.rows[1][2].endswith("town-22, town-23, … 6 more")


def test_the_recipe_names_every_public_function() -> None:
    words = qualified("Cycle(MALA(), RandomWalk()) + custom(f) + 'near(' + my.near(1)")
    assert words == "sd.Cycle(sd.MALA(), sd.RandomWalk()) + sd.custom(f) + 'near(' + my.near(1)"


def test_tables_and_pictures_are_accessible(page) -> None:
    assert all(header.get("scope") in ("col", "row") for header in page.named("th"))
    assert all(image.get("alt") for image in page.named("img"))
    assert len(page.named("caption")) == len(page.named("table")) >= 7


def test_hostile_text_is_escaped_everywhere(make_answer, tmp_path) -> None:
    attack = "<script>alert('x')</script><img src=x onerror=y>"

    class Hostile:
        def describe(self) -> str:
            return attack

        def __repr__(self) -> str:
            return attack

    answer = make_answer({attack: Continuous(0, 1), "&amp;": Continuous(0, 1)}, question=Hostile())
    sections = [Section(attack, attack, pl.DataFrame({attack: [attack]}))]
    path = answer.report(tmp_path / "x.html", title=attack, sections=sections)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.named("script") == []
    assert len(page.named("img")) == 2
    assert "&amp;" in page.words
    assert page.words.count(attack) >= 8


def test_short_numbers_and_warnings_are_marked(make_answer, tmp_path) -> None:
    values = np.random.default_rng(0).uniform(0, 0.5, size=(2, 30, 1))
    values[0] += 0.5
    answer = make_answer(
        {"x": Continuous(0, 1)}, chains=2, draws=30, values=values, exact=False, boundary="clip"
    )
    page = Page(answer.report(tmp_path / "x.html").read_text(encoding="utf-8"))
    assert "Not trustworthy" in page.words
    assert "▲" in page.words
    assert "does not leave this density exactly invariant" in page.words
    for warning in answer.diagnostics.warnings:
        assert warning.text in page.words
        assert warning.remedy in page.words


def test_no_draws_still_make_a_report(make_answer, tmp_path) -> None:
    answer = make_answer(draws=0, status="timed_out")
    page = Page(answer.report(tmp_path / "x.html").read_text(encoding="utf-8"))
    assert "holds no draws" in page.words
    assert "Rows of the answer" not in page.words


def test_many_columns_stay_readable_and_small(make_answer, tmp_path) -> None:
    answer = make_answer({f"c{i}": Continuous(0, 1) for i in range(40)}, chains=8, draws=100)
    html = answer.report(tmp_path / "x.html", answer.frame).read_text(encoding="utf-8")
    assert len(html) < 2_000_000
    assert "23 columns that agree better are left out" in html


def test_a_failed_report_leaves_nothing(answer, tmp_path) -> None:
    with pytest.raises(DataError, match="income"):
        answer.report(tmp_path / "x.html", pl.DataFrame({"age": [1.0]}))
    with pytest.raises(DataError, match="does not exist"):
        answer.report(tmp_path / "no" / "x.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_missing_packages_are_named(answer, tmp_path, monkeypatch, module) -> None:
    for loaded in list(sys.modules):
        if loaded.startswith(("sondage.report", "sondage.plot.")):
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"sondage\[report\]"):
        answer.report(tmp_path / "x.html")
