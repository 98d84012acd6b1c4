"""``sondage ask``: a question about model files, on the columns of a data file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from sondage.ask import ask
from sondage.columns import Categorical, Continuous, Integer
from sondage.errors import DataError, QuestionError, SpaceError
from sondage.frames import listed
from sondage.kernels import MALA, Conditional, Kernel, RandomWalk
from sondage.models import as_model
from sondage.posterior import gaussian
from sondage.questions import (
    fixed_label,
    model_contrasting,
    near,
    parameter_sensitive,
    prediction_risky,
)
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sondage.answer import Answer
    from sondage.models import Model
    from sondage.questions import Question

__all__ = ["KERNELS", "QUESTIONS", "Request", "answer_of"]

#: Questions of the command line, and how many models each is about.
QUESTIONS = {"fixed-label": 1, "risky": 1, "sensitive": 1, "contrast": 2}
KERNELS: dict[str, Literal["auto"] | Kernel] = {
    "auto": "auto",
    "random-walk": RandomWalk(),
    "mala": MALA(),
    "conditional": Conditional(),
}
#: Parameter sets of the question `sensitive`.
_SETS = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks; `near` and `noise` as in its help, the rest as in `ask`."""

    question: str
    models: tuple[Path, ...]
    data: Path
    row: int | None = None
    target: str | None = None
    fix: tuple[str, ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    integer: tuple[str, ...] = ()
    near: float = 0.1
    noise: float = 0.05
    draws: int = 1000
    chains: int = 8
    temperature: float = 1.0
    kernel: str = "auto"
    seed: int | None = None


def answer_of(request: Request) -> Answer:
    """Ask.

    Raises
    ------
    SondageError
        For input that cannot be used; names it and what is allowed.
    SamplingError
        For a run that fails, with what was drawn as ``answer``.
    """
    needed = QUESTIONS[request.question]
    if len(request.models) != needed:
        raise QuestionError(
            f"{request.question} is about {needed} model{'s' * (needed > 1)}; --model was given "
            f"{len(request.models)} time{'s' * (len(request.models) != 1)}"
        )
    models = [as_model(path, name=path.stem) for path in request.models]
    frame = _columns(read_data(request.data), models[0])
    row = _row(frame, request.row)
    space = _space(frame, row, request)
    question = _question(models, request)
    if row is not None:
        question = question + request.near * near(row, norm=1, weights=_weights(space))
    return ask(
        question,
        space,
        draws=request.draws,
        chains=request.chains,
        temperature=request.temperature,
        kernel=KERNELS[request.kernel],
        seed=request.seed,
    )


def read_data(path: Path) -> pl.DataFrame:
    """Read a CSV, Parquet or Arrow file.

    Raises
    ------
    DataError
        For a file of another kind, or one that does not hold what its name says.
    """
    if not path.exists():
        raise DataError(f"--data {path}: no such file")
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=None)
        if suffix == ".parquet":
            return pl.read_parquet(path)
        if suffix in {".arrow", ".feather"}:
            return pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"--data {path} cannot be read: {error}") from error
    raise DataError(f"--data {path}: a file of rows ends in .csv, .parquet, .arrow or .feather")


def _columns(frame: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Return the columns that the first model reads: by name, else all of them."""
    if model.feature_names is None:
        if frame.width != model.n_features:
            raise DataError(
                f"{model.name} reads {model.n_features} columns by position, and --data has "
                f"{frame.width}: {listed(frame.columns)}"
            )
        return frame
    missing = [name for name in model.feature_names if name not in frame.columns]
    if missing:
        raise DataError(
            f"{model.name} reads columns that --data lacks: {listed(missing)}; it has "
            f"{listed(frame.columns)}"
        )
    return frame.select(model.feature_names)


def _row(frame: pl.DataFrame, number: int | None) -> dict[str, object] | None:
    if number is None:
        return None
    if not 0 <= number < len(frame):
        raise DataError(f"--row {number}: --data has rows 0 to {len(frame) - 1}")
    return frame.row(number, named=True)


def _space(frame: pl.DataFrame, row: Mapping[str, object] | None, request: Request) -> Space:
    bounds = {name: (lower, upper) for name, lower, upper in request.ranges}
    space = Space.from_frame(frame, integer=request.integer, bounds=bounds)
    if not request.fix:
        return space
    if row is None:
        raise SpaceError(
            f"--fix {','.join(request.fix)} fixes columns at a row's values: add --row"
        )
    unknown = [name for name in request.fix if name not in space.columns]
    if unknown:
        raise SpaceError(f"--fix names {listed(unknown)}; the columns are {listed(space.columns)}")
    return space.fix({name: row[name] for name in request.fix})


def _question(models: list[Model], request: Request) -> Question:
    model = models[0]
    if request.target is not None and request.question != "fixed-label":
        raise QuestionError(f"--target is for fixed-label; {request.question} has none")
    if request.question == "fixed-label":
        return fixed_label(model, _target(model, request.target))
    if request.question == "contrast":
        return model_contrasting(*models)
    if request.question == "sensitive":
        posterior = gaussian(model, request.noise, _SETS, seed=request.seed)
        return parameter_sensitive(model, posterior)
    binary = model.classes is not None and len(model.classes) == 2
    return prediction_risky(model) if binary else prediction_risky(model, entropy=True)


def _target(model: Model, said: str | None) -> object:
    """Return the class, number or band that the words of the command line stand for."""
    if model.classes is not None:
        for label in model.classes:
            if str(label) == said:
                return label
        given = "missing" if said is None else f"{said!r}"
        raise QuestionError(f"--target is {given}; the classes are {listed(model.classes)}")
    try:
        numbers = [float(part) for part in (said or "").split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise QuestionError(
            f"--target is {said!r}; {model.name} predicts numbers: give one, or a band low:high"
        )
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _weights(space: Space) -> dict[str, float]:
    """Return weights that let a whole range of a column count as much as another category."""
    weights = {}
    for name, kind in space.kinds.items():
        if isinstance(kind, Continuous | Integer):
            weights[name] = 1.0 / (kind.upper - kind.lower)
        elif isinstance(kind, Categorical):
            weights[name] = 1.0
    return weights
