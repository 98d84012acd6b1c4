"""The arguments of ``sondage ask``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sondage.commands.ask import KERNELS, QUESTIONS, Request

__all__ = ["add_arguments", "request_of"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what ``sondage ask`` takes."""

    def add(name: str, metavar: str, words: str, **more: Any) -> None:  # noqa: ANN401
        parser.add_argument(name, metavar=metavar, help=words, **more)

    parser.add_argument(
        "question", choices=QUESTIONS, metavar="QUESTION", help=", ".join(QUESTIONS)
    )
    add(
        "--model",
        "FILE",
        "XGBoost .json or .ubj, LightGBM .txt, .skops; contrast takes two",
        type=Path,
        action="append",
        required=True,
    )
    add(
        "--data",
        "FILE",
        "rows as .csv, .parquet or .arrow: kinds and ranges of the columns",
        type=Path,
        required=True,
    )
    add("--row", "N", "stay near row N of the data, counted from 0", type=int)
    add(
        "--near",
        "W",
        "weight of that (default: %(default)s); a whole range counts 1, as does another category",
        type=float,
        default=0.1,
    )
    add("--target", "L", "for fixed-label: a class, a number, or a band low:high")
    add("--fix", "A,B", "columns that keep the row's values", type=_names, default=())
    add(
        "--range",
        "A=LOW:HIGH",
        "bounds of a column; may be given several times",
        type=_range,
        action="append",
        default=[],
    )
    add("--integer", "A,B", "columns of whole numbers", type=_names, default=())
    add(
        "--noise",
        "S",
        "for sensitive: noise on every parameter (default: %(default)s)",
        type=float,
        default=0.05,
    )
    add("--draws", "N", "rows kept per chain (default: %(default)s)", type=int, default=1000)
    add("--chains", "C", "independent chains (default: %(default)s)", type=int, default=8)
    add("--temperature", "T", "of the answer (default: %(default)s)", type=float, default=1.0)
    parser.add_argument("--kernel", choices=KERNELS, default="auto", help="default: %(default)s")
    add("--seed", "S", "the same seed gives the same answer", type=int)
    add("--out", "FILE", "save the answer, as .parquet", type=Path)
    add("--report", "FILE", "write the HTML report", type=Path)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _range(text: str) -> tuple[str, float, float]:
    name, _, ends = text.rpartition("=")
    low, _, high = ends.partition(":")
    try:
        return name, float(low), float(high)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=LOW:HIGH") from None


def request_of(options: argparse.Namespace) -> Request:
    """Return what parsed arguments ask."""
    given = vars(options) | {"models": tuple(options.model), "ranges": tuple(options.range)}
    for name in ("command", "model", "range", "out", "report"):
        del given[name]
    return Request(**given)
