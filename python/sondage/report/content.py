"""What a report says, as plain values for the template."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sondage import _text as text
from sondage.columns import Categorical, Continuous, Fixed, Integer, missing_weight
from sondage.persistence import SavedQuestion, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from sondage.answer import Answer
    from sondage.columns import Column
    from sondage.space import Space

__all__ = ["Section", "Table"]

EXAMPLES = 8
LEVELS = 24
SYMBOLS = {"trustworthy": "✓", "with care": "!", "not trustworthy": "✕", "not assessed": "?"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report that its caller adds.

    Parameters
    ----------
    title : str
    text : str, optional
        Paragraphs, separated by empty lines. Shown as it is, never read as HTML.
    table : polars.DataFrame, optional
        Shown below the text; the first column names the rows.
    """

    title: str
    text: str | None = None
    table: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to print: the first cell of every row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    flagged: frozenset[tuple[int, int]] = frozenset()


def paragraphs(words: str | None) -> list[str]:
    """Split a text at its empty lines."""
    return [part for part in re.split(r"\n\s*\n", words.strip()) if part] if words else []


def cell(value: object) -> str:
    """Write one value of a table.

    Examples
    --------
    >>> cell(0.123456), cell(2020), cell(True), cell(None)
    ('0.1235', '2020', 'yes', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return text.number(value) if isinstance(value, float) else str(value)


def from_frame(frame: pl.DataFrame) -> Table:
    """Turn a frame into a table to print."""
    return Table(
        header=tuple(frame.columns),
        rows=tuple(tuple(cell(value) for value in row) for row in frame.iter_rows()),
    )


def numbers(answer: Answer) -> list[tuple[str, str, str]]:
    """Key numbers: (value, name, explanation)."""
    chains, draws, _ = answer.draws.shape
    found = answer.diagnostics
    energy = float(answer.energies.mean()) if chains * draws else None
    listed = [
        (text.count(chains * draws), "draws", f"{text.plural(chains, 'chain')} × {draws:,}"),
        (text.rhat(found.rhat_max), "largest R-hat", "at most 1.01 is wanted"),
        (text.count(found.ess_min), "smallest ESS", f"{100 * chains:,} or more is wanted"),
        (text.percent(found.share_valid), "valid draws", "re-predicted where asked"),
        (text.number(energy), "mean of G", f"at τ = {answer.settings.temperature:g}"),
        (text.count(found.steps_per_second), "steps a second", "all chains together"),
    ]
    if found.acceptance is not None:
        listed.insert(5, (text.percent(found.acceptance), "acceptance", "after warm-up"))
    if found.swap_rate is not None:
        listed.append(
            (text.percent(found.swap_rate), "exchanges", "of the two temperatures with the fewest")
        )
    return listed


def summary(answer: Answer) -> Table:
    """Print the summary, R-hat and sizes that fall short flagged."""
    frame = answer.summary()
    wanted = 100 * answer.draws.shape[0]
    rows, flagged = [], set()
    for i, row in enumerate(frame.iter_rows(named=True)):
        cells = [row["column"]]
        for j, name in enumerate(frame.columns[1:], start=1):
            value = row[name]
            if name == "rhat":
                cells.append(text.rhat(value))
            else:
                cells.append(text.count(value) if name.startswith("ess") else text.number(value))
            short = name.startswith("ess") and value is not None and value < wanted
            if short or (name == "rhat" and value is not None and value > 1.01):
                flagged.add((i, j))
        rows.append(tuple(cells))
    header = (
        "column",
        "mean",
        "sd",
        "5 %",
        "median",
        "95 %",
        "R-hat",
        "ESS bulk",
        "ESS tail",
        "MCSE",
        *(["missing"] if "missing" in frame.columns else []),
    )
    return Table(header=header, rows=tuple(rows), flagged=frozenset(flagged))


def examples(answer: Answer) -> Table | None:
    """Print a few draws that lie far from each other, one a column."""
    total = answer.energies.size
    if total == 0:
        return None
    chosen = answer.diverse(min(EXAMPLES, total))
    kept = [name for name in chosen.columns if name not in _chain_and_draw(answer)]
    rows = [(name, *(cell(value) for value in chosen[name])) for name in kept]
    names = {kept[-2]: "G (energy)", kept[-1]: "valid"}
    return Table(
        header=("", *(f"row {i}" for i in range(1, chosen.height + 1))),
        rows=tuple((names.get(row[0], row[0]), *row[1:]) for row in rows),
    )


def kernels(answer: Answer) -> Table:
    """Print what every kernel did, with the range over the chains."""
    rows = [
        (
            kernel.name,
            f"{sum(kernel.steps):,}",
            _range(kernel.acceptance, text.percent),
            _range(kernel.step, text.number),
        )
        for kernel in answer.statistics.kernels
    ]
    return Table(header=("kernel", "steps", "acceptance", "scale or step"), rows=tuple(rows))


def swaps(answer: Answer) -> Table | None:
    """Print how often neighbouring temperatures exchanged rows, with the range over the chains."""
    found = answer.statistics.tempering
    if found is None:
        return None
    rows = [
        (text.number(low), text.number(high), _range(own, text.percent))
        for (low, high), own in zip(pairwise(found.temperatures), found.swaps, strict=True)
    ]
    return Table(header=("temperature τ", "next higher", "exchanges accepted"), rows=tuple(rows))


def chains(answer: Answer) -> Table:
    """Print every chain's steps, mean of G, share of valid draws, and non-finite values."""
    rows = []
    for chain, steps in enumerate(answer.statistics.steps):
        energies, valid = answer.energies[chain], answer.valid[chain]
        rows.append(
            (
                str(chain),
                f"{steps:,}",
                text.number(float(energies.mean()) if energies.size else None),
                text.percent(float(valid.mean()) if valid.size else None),
                f"{answer.statistics.nonfinite[chain]:,}",
            )
        )
    return Table(
        header=("chain", "steps", "mean of G", "valid", "non-finite outputs"), rows=tuple(rows)
    )


def base_measure(space: Space) -> str:
    """Say what the density is with respect to (MATH section 1).

    Examples
    --------
    >>> from sondage import Continuous, Integer, Space
    >>> base_measure(Space({"a": Continuous(0, 1), "b": Continuous(0, 1), "c": Integer(0, 9)}))
    'length on 2 continuous columns, the count of values on 1 integer column'
    """
    kinds = list(space.kinds.values())
    counts = [
        ("length on", Continuous, "continuous column"),
        ("the count of values on", Integer, "integer column"),
        ("the count of levels on", Categorical, "categorical column"),
    ]
    found = [
        f"{measure} {text.plural(n, noun)}"
        for measure, kind, noun in counts
        if (n := sum(isinstance(own, kind) for own in kinds))
    ]
    missing = sum(missing_weight(kind) > 0.0 for kind in kinds)
    if missing:
        found.append(f"a share of its own for missing values in {text.plural(missing, 'column')}")
    return ", ".join(found)


def reference(space: Space) -> str:
    """Say what density of rows the answer starts from; empty for none."""
    learned = space._learned
    if learned is None:
        return ""
    columns, rows = text.plural(len(learned.columns), "column"), text.plural(learned._rows, "row")
    return f"a tree-structured density of {columns}, learned from {rows}"


def space(answer: Answer) -> Table:
    """Print the declared space."""
    return Table(
        header=("column", "kind", "range or value"),
        rows=tuple(
            (name, type(kind).__name__.lower(), _extent(kind))
            for name, kind in answer.space.kinds.items()
        )
        + tuple(("", "constraint", str(own)) for own in answer.space._constraints),
    )


def settings(answer: Answer) -> Table:
    """Print how the question was asked."""
    used = answer.settings
    statistics = answer.statistics
    rows = [
        ("status", answer.status.replace("_", " ")),
        ("draws kept per chain", f"{answer.draws.shape[1]:,} of {used.draws:,} asked for"),
        ("chains", str(used.chains)),
        ("temperature τ", repr(used.temperature)),
        ("answered together", ", ".join(map(repr, used.temperatures))),
        ("kernel", used.kernel),
        ("kernel asked for", used.kernel_requested),
        ("why this kernel", used.kernel_reason),
        ("keeps the stated density", "exactly" if statistics.exact else "no, only nearly"),
        ("warm-up steps", f"{used.warmup:,}"),
        ("thinning", "every step kept" if used.thin == 1 else f"1 step in {used.thin} kept"),
        ("boundary", used.boundary),
        ("seed", str(used.seed)),
        ("threads", str(used.threads)),
        ("time limit", "none" if used.max_seconds is None else f"{used.max_seconds:g} s"),
        ("time for warm-up", f"{text.number(statistics.seconds_warmup, 3)} s"),
        ("time for sampling", f"{text.number(statistics.seconds_sampling, 3)} s"),
        ("created", used.created),
    ]
    return Table(header=("setting", "value"), rows=tuple(row for row in rows if row[1]))


def versions(answer: Answer) -> Table:
    """Print the versions of all that took part, and the build of the core."""
    pairs = {**answer.settings.versions}
    pairs |= {f"core: {name}": value for name, value in answer.settings.build.items()}
    return Table(header=("part", "version"), rows=tuple(pairs.items()))


def recipe(answer: Answer) -> str:
    """Write the program that gives the same draws again."""
    question = answer.question
    asked = question.repr if isinstance(question, SavedQuestion) else repr(question)
    columns = ",\n".join(
        f"    {name!r}: {text.qualified(repr(kind))}" for name, kind in answer.space.kinds.items()
    )
    conditions = "".join(f".{own!r}" for own in answer.space._constraints)
    function, arguments = answer._call()
    given = "\n".join(f"    {name}={text.qualified(value)}," for name, value in arguments.items())
    used = answer.settings
    one = f"[{used.temperatures.index(used.temperature)}]" if used.temperatures else ""
    reference = "" if answer.space._learned is None else ", reference=reference"
    return (
        "import sondage as sd\n\n"
        f"space = sd.Space({{\n{columns},\n}}{reference}){conditions}\n"
        f"question = {text.qualified(asked)}\n"
        f"answer = sd.{function}(\n    question, space,\n{given}\n){one}"
    )


def digest(answer: Answer) -> str:
    """Write the SHA-256 of the draws, energies and validity."""
    return fingerprint(answer)


def _chain_and_draw(answer: Answer) -> set[str]:
    from sondage._tables import own_names

    return set(own_names(answer.space.columns)[:2])


def _range(values: tuple[float, ...], write: Callable[[float], str]) -> str:
    present = sorted(value for value in values if not math.isnan(value))
    if not present:
        return "–"
    low, high = write(present[0]), write(present[-1])
    return low if low == high else f"{low} to {high}"


def _extent(kind: Column) -> str:
    if isinstance(kind, Fixed):
        return "missing" if kind.value is None else repr(kind.value)
    if isinstance(kind, Continuous | Integer):
        missing = "" if kind.missing is None else f", or missing ({text.percent(kind.missing)})"
        if isinstance(kind, Continuous):
            return f"[{kind.lower:.10g}, {kind.upper:.10g}]{missing}"
        return f"{kind.lower} to {kind.upper}{missing}"
    names = ["missing" if level is None else str(level) for level in kind.levels]
    more = f", … {len(names) - LEVELS:,} more" if len(names) > LEVELS else ""
    return ", ".join(text.shorten(name, 40) for name in names[:LEVELS]) + more
