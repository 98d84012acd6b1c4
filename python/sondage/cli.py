"""The command ``sondage``: demo, ask, report, bench and doctor."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sondage import _text
from sondage.errors import SamplingError, SondageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sondage.bench import BenchResult, ModelsResult
    from sondage.demo import DemoResult

__all__ = ["main"]

OK, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; None reads ``sys.argv``.

    Returns
    -------
    int
        0 when everything asked for is there, 1 when it failed, 2 for input that cannot be used;
        1 and 2 come with one line on stderr.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code = _run(parser, options)
        sys.stdout.flush()
    except SondageError as error:
        return _complain(str(error), FAILED)
    except BrokenPipeError:  # the reader has gone; what is still buffered must go nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}", BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    return code


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.command == "demo":
        return _demo(options.out)
    if options.command == "bench":
        return _bench(options.name, options.json)
    if options.command == "ask":
        return _ask(options)
    if options.command == "report":
        from sondage.commands import report_of

        print(f"written: {report_of(options.answer, options.out)}")
        return OK
    if options.command == "doctor":
        return _doctor()
    parser.print_help()
    return BAD_INPUT


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def _parser() -> argparse.ArgumentParser:
    from sondage import __version__
    from sondage.commands import add_arguments

    parser = _Parser(
        prog="sondage",
        description="Ask trained models questions and get samples of their inputs as the answer.",
    )
    parser.add_argument("--version", action="version", version=f"sondage {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser("demo", help="answer a real question about a forest and a tree")
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("sondage-demo"),
        metavar="DIR",
        help="folder for the report (default: %(default)s)",
    )
    add_arguments(commands.add_parser("ask", help="ask a question about model files"))
    report = commands.add_parser("report", help="write the HTML report of a saved answer")
    report.add_argument("answer", type=Path, metavar="ANSWER", help="an answer.parquet")
    report.add_argument("--out", type=Path, metavar="FILE", help="default: beside the answer")
    bench = commands.add_parser("bench", help="measure speed on this machine")
    bench.add_argument("name", nargs="?", metavar="NAME", help="which benchmark (default: all)")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the results here as well")
    commands.add_parser("doctor", help="show versions and check the installation")
    return parser


def _ask(options: argparse.Namespace) -> int:
    from sondage.commands import answer_of, request_of

    for path in (options.out, options.report):
        if path is not None and not path.absolute().parent.is_dir():
            return _complain(f"{path}: no folder {path.absolute().parent}", BAD_INPUT)
    try:
        answer = answer_of(request_of(options))
    except SondageError as error:
        ran = isinstance(error, SamplingError) and error.answer is not None
        return _complain(str(error), FAILED if ran else BAD_INPUT)
    print(answer)
    if options.out is not None:
        answer.save(options.out)
        print(f"written: {options.out}")
    if options.report is not None:
        print(f"written: {answer.report(options.report)}")
    valid = int(answer.valid.sum())
    if answer.status != "complete" or valid < answer.valid.size:
        return _complain(
            f"the answer is {answer.status} and {valid:,} of {answer.valid.size:,} rows are valid; "
            "a lower --temperature asks more firmly",
            FAILED,
        )
    return OK


def _complain(message: str, code: int) -> int:
    print(f"sondage: {' '.join(message.split())}", file=sys.stderr)
    return code


def _demo(out: Path) -> int:
    from sondage import demo

    if out.exists() and not out.is_dir():
        return _complain(f"--out {out} is a file; give a folder", BAD_INPUT)
    result = demo.run(out)
    _show_demo(result)
    return OK if result.answer.status == "complete" else FAILED


def _show_demo(result: DemoResult) -> None:
    from sondage.demo import CLASSES, TEMPERATURE

    problem, answer, found = result.problem, result.answer, result.answer.diagnostics
    print("Where is a random forest most uncertain while a decision tree is certain of class_1?")
    print()
    print("Wine data, 178 rows, 13 columns scaled to [0, 1]; one tenth of the rows held out.")
    print(
        f"Accuracy on them: forest {100 * problem.accuracy_forest:.2f} %, tree "
        f"{100 * problem.accuracy_tree:.2f} %"
    )
    chains, draws = answer.draws.shape[:2]
    print(f"Temperature 1/{1 / TEMPERATURE:.0f}; {chains} chains of {draws:,} draws, ", end="")
    print(f"every {answer.settings.thin}th step kept.")
    print()
    header = ["column", "answer", "± sd", *CLASSES, "R-hat", "ESS"]
    _print_table(
        header,
        [
            [
                row["column"],
                *(_text.number(row[key]) for key in ("answer", "sd", *CLASSES)),
                f"{row['rhat']:.3f}",
                _text.count(row["ess_bulk"]),
            ]
            for row in result.table.iter_rows(named=True)
        ],
        title="Means of the answer beside the means of the three classes, in real units",
    )
    print()
    probabilities = ", ".join(f"{p:.3f}" for p in result.forest_probabilities)
    facts = [
        ("kernel", answer.settings.kernel),
        ("because", answer.settings.kernel_reason),
        ("forest's mean class probabilities", probabilities),
        ("draws the tree calls class_1", _text.percent(result.tree_share)),
        ("largest R-hat", _text.number(found.rhat_max, 5)),
        ("smallest bulk ESS", _text.count(found.ess_min)),
        ("steps per second, all chains", _text.count(found.steps_per_second)),
        ("seconds in all", f"{result.seconds:.1f}"),
        ("report", str(result.report)),
    ]
    _print_facts(facts)
    for warning in found.warnings:
        print(_wrapped("warning: ", f"{warning.text} {warning.remedy}"))


def _bench(name: str | None, file: Path | None) -> int:
    from sondage.bench import BENCHES, run

    if name is not None and name not in BENCHES:
        return _complain(f"no benchmark {name!r}; there is {', '.join(BENCHES)}", BAD_INPUT)
    if file is not None and not file.absolute().parent.is_dir():
        return _complain(f"--json {file}: no folder {file.absolute().parent}", BAD_INPUT)
    results = [run(each) for each in ([name] if name is not None else BENCHES)]
    for result in results:
        _show_bench(result)
    if file is not None:
        text = json.dumps([result.to_dict() for result in results], indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
        print(f"written: {file}")
    return OK


def _show_bench(result: BenchResult | ModelsResult) -> None:
    from sondage.bench import BenchResult

    machine = result.machine
    print(f"{machine.processor}, {machine.cores} cores, {machine.system}, Python {machine.python}")
    if isinstance(result, BenchResult):
        header, cells = _kernels_table(result)
    else:
        header, cells = _models_table(result)
    _print_table(header, cells, title=result.name)
    for note in result.notes:
        print(note)


def _kernels_table(result: BenchResult) -> tuple[list[str], list[list[str]]]:
    header = ["", "chains", "threads", "µs a step", "min ESS/s", "× per step", "× per ESS", "exact"]
    cells = [
        [
            row.name,
            str(row.chains),
            str(row.threads),
            _text.number(row.step_us, 3),
            _text.number(row.ess_per_second, 3),
            _text.number(row.per_step, 3),
            _text.number(row.per_ess, 3),
            "yes" if row.exact else "no",
        ]
        for row in result.rows
    ]
    return header, cells


def _models_table(result: ModelsResult) -> tuple[list[str], list[list[str]]]:
    header = ["", "rows", "by", "µs a row", "× fastest peer", "rows that agree"]
    cells = [
        [
            row.case,
            f"{row.rows:,}",
            row.name,
            _text.number(row.row_us, 3),
            _text.number(row.over_fastest_peer, 3),
            f"{100 * row.agreeing:.1f} %",
        ]
        for row in result.rows
    ]
    return header, cells


def _doctor() -> int:
    from sondage import __version__, doctor

    _print_facts([("sondage", __version__), *doctor.versions().items()])
    print()
    _print_facts([(f"build {key}", value) for key, value in doctor.build().items()])
    print()
    check = doctor.self_check()
    _print_facts(
        [
            ("self-check", f"truncated normal law, {check.draws:,} exact draws"),
            ("mean", f"{check.mean:.5f}, exact {check.exact_mean:.5f}"),
            ("standard deviation", f"{check.sd:.5f}, exact {check.exact_sd:.5f}"),
            (
                "deviations",
                f"{check.deviation:.1f} and {check.deviation_sd:.1f} standard errors: "
                + ("passed" if check.passed else "FAILED"),
            ),
        ]
    )
    return OK if check.passed else _complain("the self-check failed", FAILED)


def _print_facts(facts: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(_wrapped(f"{name:<{width}}  ", value))


def _wrapped(first: str, words: str) -> str:
    return (
        textwrap.fill(
            words,
            width=100,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        or first.rstrip()
    )


def _print_table(header: list[str], rows: list[list[str]], *, title: str) -> None:
    if find_spec("rich") is None or not sys.stdout.isatty():
        print(title)
        print(_text.table(header, rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
