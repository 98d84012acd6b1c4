"""From the user's raw columns to the models inside pipelines and other wrappers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sondage.errors import ModelError
from sondage.frames import is_missing
from sondage.models import _registry
from sondage.models._adapter import NotNative
from sondage.models._columns import Columns
from sondage.models._encoders import Block, Fill, Flow, Opaque, codes, transform
from sondage.models._features import Chain, Features, Step, Table
from sondage.models._sources import unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.base import BaseEstimator

    from sondage.models._features import Feature, RawColumn

__all__ = [
    "columns_of",
    "final_step",
    "first_reader",
    "of_all_columns",
    "reading",
    "steps_of",
]


def columns_of(estimator: BaseEstimator) -> Columns:
    """Follow the input columns of a wrapper to the models inside."""
    first = first_reader(estimator)
    n = int(first.n_features_in_)
    columns = Columns(n, named=hasattr(first, "feature_names_in_"))
    _follow(estimator, Block(tuple(Flow(j) for j in range(n))), columns)
    return columns


def of_all_columns(estimator: BaseEstimator, features: Features) -> Features:
    """Features of all input columns of a wrapper, where those are given that it reads by name."""
    if len(features) == getattr(first_reader(estimator), "n_features_in_", len(features)):
        return features
    return columns_of(estimator).all_of(features)


def first_reader(estimator: BaseEstimator) -> BaseEstimator:
    """Return the estimator, or the first step inside it, that says which columns it reads."""
    if hasattr(estimator, "n_features_in_"):
        return estimator
    for step in steps_of(estimator):
        if step is not None:
            return first_reader(step)
    raise ModelError(f"{type(estimator).__name__} does not say how many columns it reads")


def steps_of(estimator: BaseEstimator) -> list[BaseEstimator | None]:
    """List the steps of a pipeline, None for those that do nothing to rows that are predicted."""
    steps = [step for _, step in getattr(estimator, "steps", ())]
    return [
        None if step is None or isinstance(step, str) or _resamples(step) else step
        for step in steps
    ]


def _resamples(step: BaseEstimator) -> bool:
    """Whether a step only acts in training (of imbalanced-learn)."""
    return hasattr(step, "fit_resample") and not hasattr(step, "transform")


def final_step(estimator: BaseEstimator) -> BaseEstimator:
    """Return the model of a pipeline."""
    steps = steps_of(estimator)
    last = steps[-1] if steps else None
    if last is None or not hasattr(last, "predict"):
        raise ModelError(
            f"{type(estimator).__name__} does not end in a model; its last step must predict"
        )
    return last


def _inside(estimator: BaseEstimator) -> list[BaseEstimator] | None:
    """Return the fitted models inside a wrapper that read the wrapper's own columns."""
    kind = _kinds(estimator)
    if kind & {"FrozenEstimator", "_CalibratedClassifier"}:
        return [estimator.estimator]
    if kind & {"BaseSearchCV"}:
        return [estimator.best_estimator_]
    if kind & {"TransformedTargetRegressor"}:
        return [estimator.regressor_]
    if kind & {"CalibratedClassifierCV"}:
        return list(estimator.calibrated_classifiers_)
    if kind & {"BaseThresholdClassifier"}:
        return [estimator.estimator_]
    votes = {"VotingClassifier", "VotingRegressor", "AdaBoostClassifier"}
    if kind & (votes | {"StackingClassifier", "StackingRegressor"}):
        return list(estimator.estimators_)
    return None


def _kinds(estimator: BaseEstimator) -> set[str]:
    """Names of scikit-learn's classes that an object is of."""
    classes = type(estimator).__mro__
    return {cls.__name__ for cls in classes if cls.__module__.partition(".")[0] == "sklearn"}


def _follow(estimator: BaseEstimator, block: Block, columns: Columns) -> None:
    steps = steps_of(estimator)
    if steps:
        for step in steps[:-1]:
            moved = _through(step, block, columns)
            if moved is None:
                return
            block = moved
        _follow(final_step(estimator), block, columns)
        return
    inside = _inside(estimator)
    if inside is not None:
        for member in inside:
            _follow(member, block, columns)
        if getattr(estimator, "passthrough", False):
            columns.take(block)
        return
    columns.take(block)
    if _registry.find(estimator) is None:
        return
    try:
        source = _registry.source(estimator)
    except NotNative:
        return
    columns.tolerance = max(columns.tolerance, source.tolerance)
    columns.classes = source.classes
    if any(flow != Flow(flow.column) for flow in block.flows):
        return
    for flow, own in zip(block.flows, source.columns, strict=True):
        if own.levels is not None:
            columns.levels[flow.column] = own.levels
            columns.categories = getattr(source, "categories", "category")


def _through(step: BaseEstimator | None, block: Block, columns: Columns) -> Block | None:
    """Follow columns through a step; None, with the reason noted, if that cannot be done."""
    try:
        return _moved(step, block, columns)
    except Opaque as error:
        columns.take(block)
        if str(error):
            columns.opaque.append(str(error))
        return None


def _moved(step: BaseEstimator | None, block: Block, columns: Columns) -> Block:
    if step is None:
        return block
    kind = _kinds(step)
    if "Pipeline" in kind:
        for inner in steps_of(step):
            block = _moved(inner, block, columns)
        return block
    if "ColumnTransformer" in kind:
        return _columns_apart(step, block, columns)
    if "FeatureUnion" in kind:
        weights = step.transformer_weights or {}
        parts = [
            _weighted(_through(_acting(inner), block, columns), weights.get(name))
            for name, inner in step.transformer_list
            if not (isinstance(inner, str) and inner == "drop")
        ]
        return _joined(parts, any(part is not None and part.sparse for part in parts))
    columns.read.update(flow.column for flow in block.flows)
    return transform(step, block, columns.encoded)


def _columns_apart(step: BaseEstimator, block: Block, columns: Columns) -> Block:
    weights = step.transformer_weights or {}
    reads = step._transformer_to_input_indices
    parts = []
    for name, inner, _ in step.transformers_:
        if (isinstance(inner, str) and inner == "drop") or not len(reads[name]):
            continue
        own = Block(tuple(block.flows[i] for i in reads[name]))
        columns.read.update(flow.column for flow in own.flows)
        parts.append(_weighted(_through(_acting(inner), own, columns), weights.get(name)))
    return _joined(parts, bool(step.sparse_output_))


def _acting(inner: BaseEstimator) -> BaseEstimator | None:
    return None if inner is None or isinstance(inner, str) else inner


def _weighted(block: Block | None, weight: float | None) -> Block | None:
    if block is None or weight is None:
        return block
    return replace(
        block, flows=tuple(flow.number(Step("mul", float(weight))) for flow in block.flows)
    )


def _joined(parts: Sequence[Block | None], sparse: bool) -> Block:
    flows: list[Flow] = []
    for part in parts:
        if part is None:
            raise Opaque  # for a reason that is noted already
        flows += part.flows
    return Block(tuple(flows), sparse)


def reading(estimator: BaseEstimator, features: Features) -> Features:
    """Return what the model of a pipeline reads, if the pipeline reads `features`.

    Raises
    ------
    NotNative
        If a step has no form per column, or a column is both a number and a category.
    """
    columns = Columns(len(features))
    block = Block(tuple(Flow(j) for j in range(len(features))), sparse=features.sparse)
    for step in steps_of(estimator)[:-1]:
        moved = _through(step, block, columns)
        if moved is None:
            raise NotNative(columns.opaque[0])
        block = moved
    try:
        found = _Resolver(features, columns, {}).all(block.flows)
    except Opaque as error:
        raise NotNative(str(error)) from None
    return Features(features.columns, found, block.sparse)


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Flows as features; the outputs of every encoder are computed once."""

    features: Features
    columns: Columns
    tables: dict[tuple[int, int, tuple[Fill, ...]], list[list[float]]]

    def all(self, flows: Sequence[Flow]) -> tuple[Feature, ...]:
        return tuple(self.one(flow) for flow in flows)

    def one(self, flow: Flow) -> Feature:
        base = self.features.features[flow.column]
        raw = self.features.columns[base.column]
        name = repr(raw.name) if raw.name is not None else f"number {base.column}"
        if flow.code is not None:
            if isinstance(base, Chain):
                raise Opaque(f"column {name} is encoded as a category and used as a number")
            return self.coded(flow, base)
        steps = (*(fill.step() for fill in flow.fills), *flow.steps)
        if isinstance(base, Chain):
            return Chain(base.column, (*base.steps, *steps))
        if flow.column in self.columns.uses:
            raise Opaque(f"column {name} is encoded as a category and used as a number")
        if steps and _is_level(base, raw):
            raise Opaque(f"column {name} is a category and used as a number")
        return _then(base, steps)

    def coded(self, flow: Flow, base: Table) -> Table:
        code = flow.code
        assert code is not None
        key = id(code.encoder), code.position, flow.fills
        if key not in self.tables:
            values = self.values(flow, base)
            found = codes(code.encoder, code.position, flow.fills, values)
            self.tables[key] = found.T.tolist()
        *own, unknown, missing = self.tables[key][code.output]
        return _then(Table(base.column, tuple(own), unknown, missing), flow.steps)

    def values(self, flow: Flow, base: Table) -> list[object]:
        """Values of the base's levels, of an unknown one, and of a missing one."""
        raw = self.features.columns[base.column]
        if not _is_level(base, raw) or raw.levels is None:
            return [*base.values, base.unknown, base.missing]
        marker = self.columns.marker(flow.column)
        levels = [marker if is_missing(level) else level for level in raw.levels]
        return [*levels, unseen(levels), marker]


def _is_level(base: Table, raw: RawColumn) -> bool:
    """Whether the numbers of a table only stand for the levels of its column."""
    codes_only = base.values == tuple(float(k) for k in range(len(base.values)))
    return raw.levels is not None and codes_only and bool(np.isnan(base.missing))


def _then(table: Table, steps: Sequence[Step]) -> Table:
    for step in steps:
        table = table.then(step)
    return table
