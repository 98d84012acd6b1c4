"""Figures: the right panels, and nothing of matplotlib changed."""

from __future__ import annotations

import io
import sys

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from sondage.errors import DataError, MissingDependencyError
from sondage.space import Categorical, Continuous, Fixed, Integer, Space

HOSTILE = {"$\\frac{": Continuous(0, 1), "a_b^c": Continuous(-1e7, 1e7)}


def render(figure: Figure) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=40)
    return drawn.getvalue()


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_marginals_show_every_free_column(answer) -> None:
    figure = answer.plot.marginals()
    assert titles(figure) == ["age", "income"]
    assert figure.axes[0].get_xlim() == (18.0, 90.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["answer (800 draws)"]


@pytest.mark.parametrize("bounds", [(-1e15, -1e15 + 1), (0.0, 1e-321), (0.0, 1e300)])
def test_marginals_of_any_width(make_answer, bounds) -> None:
    answer = make_answer({"x": Continuous(*bounds)})
    heights = answer.plot.marginals().axes[0].patches[0].get_data().values
    assert heights.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("columns", [1, 13, 30, 60])
def test_any_number_of_columns_is_laid_out_without_overlap(make_answer, columns) -> None:
    answer = make_answer({f"c{i}": Continuous(0, 1) for i in range(columns)}, draws=20)
    for figure, panels in ((answer.plot.marginals(), columns), (answer.plot.trace(), columns + 1)):
        assert len(figure.axes) == panels
        boxes = [axes.get_position() for axes in figure.axes]
        assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
        assert sum(a.overlaps(b) for a in boxes for b in boxes) == panels


def test_the_reference_is_drawn_over_the_answer(answer) -> None:
    rng = np.random.default_rng(0)
    data = pl.DataFrame(
        {"income": rng.uniform(0, 1e5, 50), "age": [None, np.nan, *rng.uniform(18, 90, 48)]}
    )
    for reference in (data, data.to_pandas(), data.to_arrow()):
        figure = answer.plot.marginals(reference)
        assert len(figure.axes[0].patches) == 3
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["answer (800 draws)", "reference data (50 rows)"]
    assert len(answer.plot.marginals(np.ones((5, 3))).axes[1].patches) == 3


def test_every_histogram_has_the_same_area(answer) -> None:
    data = pl.DataFrame({"age": [20.0, 30.0, 200.0, 300.0], "income": [1.0, 2.0, 3.0, 4.0]})
    axes = answer.plot.marginals(data).axes
    area = [
        float((p.get_data().values * np.diff(p.get_data().edges)).sum()) for p in axes[1].patches
    ]
    assert area == pytest.approx([area[0]] * 3)
    outside = axes[0].patches[2].get_data()
    inside = axes[0].patches[0].get_data()
    assert (outside.values * np.diff(outside.edges)).sum() == pytest.approx(
        0.5 * (inside.values * np.diff(inside.edges)).sum()
    )


def test_a_reference_that_does_not_fit_is_refused(answer) -> None:
    with pytest.raises(DataError, match="income"):
        answer.plot.marginals(pl.DataFrame({"age": [1.0]}))
    with pytest.raises(DataError, match="'age' of the reference is String"):
        answer.plot.marginals(pl.DataFrame({"age": ["x"], "income": [1.0]}))


def test_trace_has_a_line_per_chain_for_g_and_every_free_column(answer) -> None:
    figure = answer.plot.trace()
    assert titles(figure) == ["G (energy)", "age", "income"]
    assert [len(axes.lines) for axes in figure.axes] == [4, 4, 4]
    np.testing.assert_array_equal(figure.axes[1].lines[2].get_ydata(), answer.draws[2, :, 0])


@pytest.mark.parametrize("chains", [1, 8, 9])
def test_chains_are_named_while_their_colours_differ(make_answer, chains) -> None:
    figure = make_answer(draws=5, chains=chains).plot.trace()
    colours = {line.get_color() for line in figure.axes[0].lines}
    assert len(colours) == min(chains, 8)
    assert [len(box.get_texts()) for box in figure.legends] == ([chains] if chains <= 8 else [])
    assert ("9 chains" in words(figure)) == (chains == 9)


def test_long_traces_are_thinned(make_answer) -> None:
    line = make_answer(draws=4001).plot.trace().axes[0].lines[0]
    assert 300 < len(line.get_xdata()) <= 400


def test_scatter_is_coloured_by_energy(answer) -> None:
    figure = answer.plot.scatter("age", "income")
    points = figure.axes[0].collections[0]
    assert len(points.get_offsets()) == 800
    np.testing.assert_array_equal(np.sort(points.get_array()), np.sort(answer.energies.ravel()))
    assert len(figure.axes) == 2
    assert figure.axes[0].get_xlabel() == "age"
    for wrong in ("children", "height"):
        with pytest.raises(DataError, match=f"{wrong}.*'age', 'income'"):
            answer.plot.scatter("age", wrong)


def test_no_draws_and_no_free_columns_say_so(make_answer) -> None:
    empty = make_answer(draws=0)
    for figure in (empty.plot.marginals(), empty.plot.trace(), empty.plot.scatter("age", "income")):
        assert "no draws" in words(figure)
    fixed = make_answer({"a": Fixed(1), "b": Fixed(2)})
    assert "fixed" in words(fixed.plot.marginals())
    assert titles(fixed.plot.trace()) == ["G (energy)"]


def test_names_are_never_read_as_formulas(make_answer) -> None:
    answer = make_answer(HOSTILE, draws=20)
    for figure in (
        answer.plot.marginals(answer.frame),
        answer.plot.trace(),
        answer.plot.scatter(*HOSTILE),
    ):
        assert render(figure).startswith(b"\x89PNG")


def test_matplotlib_is_left_as_it_was(answer) -> None:
    before = dict(mpl.rcParams)
    render(answer.plot.marginals(answer.frame))
    render(answer.plot.trace())
    assert dict(mpl.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_without_matplotlib_the_extra_is_named(answer, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        answer.plot.marginals,
        answer.plot.trace,
        lambda: answer.plot.scatter("age", "age"),
    ):
        with pytest.raises(MissingDependencyError, match=r"sondage\[report\]"):
            draw()


MIXED = Space(
    {
        "job": Categorical(["clerk", "$x_1$ <b>"]),
        "town": Categorical([f"town {k}" for k in range(20)]),
        "kids": Integer(0, 5),
        "hours": Integer(1, 99),
        "x": Continuous(0, 1),
    }
)


def mixed_answer(make_answer):
    rng = np.random.default_rng(0)
    lower, upper = MIXED._lower_upper()
    values = rng.integers(lower, upper + 1, size=(4, 200, 5)).astype(float)
    values[:, :, 4] = rng.random((4, 200))
    return make_answer(MIXED, values=values)


def test_levels_have_bars_of_their_shares(make_answer) -> None:
    answer = mixed_answer(make_answer)
    reference = answer.frame.head(100).with_columns(job=pl.lit("clerk"), town=pl.lit("elsewhere"))
    figure = answer.plot.marginals(reference)
    job, town, kids, hours, _ = figure.axes
    shares = [(answer.frame["job"] == level).mean() for level in ("clerk", "$x_1$ <b>")]
    assert [bar.get_width() for bar in job.patches] == pytest.approx([*shares, 1.0, 0.0])
    assert [text.get_text() for text in job.texts] == ["clerk", "$x_1$ <b>"]
    assert town.texts[-1].get_text() == "13 others"
    widths = [bar.get_width() for bar in town.patches]
    assert sum(widths[:8]) == pytest.approx(1.0)
    assert widths[8:] == [0.0] * 8
    edges = kids.patches[0].get_data().edges
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    for axes in (kids, hours):
        data = axes.patches[0].get_data()
        span = data.edges[-1] - data.edges[0]
        assert (data.values * np.diff(data.edges)).sum() == pytest.approx(span)


def test_axes_name_levels(make_answer) -> None:
    answer = mixed_answer(make_answer)
    names = [label.get_text() for label in answer.plot.trace().axes[1].get_yticklabels()]
    assert names == ["clerk", "$x_1$ <b>"]
    axes = answer.plot.scatter("job", "x").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["clerk", "$x_1$ <b>"]
    assert axes.get_xlim() == (-0.5, 1.5)
    points = axes.collections[0].get_offsets()[:, 0]
    assert 0.1 < np.abs(points - np.round(points)).max() <= 0.3
    assert len(answer.plot.scatter("town", "town").axes[0].get_yticks()) <= 12


def test_reports_of_mixed_columns(tmp_path, make_answer) -> None:
    page = mixed_answer(make_answer).report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "0 to 5" in page
    assert "clerk, $x_1$ &lt;b&gt;" in page
