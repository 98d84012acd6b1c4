"""scikit-learn's bagging and voting of other models."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np

from sondage.models import _registry
from sondage.models._adapter import Adapter, NotNative
from sondage.models._features import UNKNOWN, Features, RawColumn, Table
from sondage.models._graph import Heads
from sondage.models._pathways import columns_of
from sondage.models._pipeline_source import WrapperSource, wrapper_source
from sondage.models._sources import EstimatorSource, level_values, require_fitted
from sondage.models.sklearn_trees import FittedTree, library_name, tree_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sondage.models._adapter import Source
    from sondage.models._graph import GraphBuilder

__all__ = ["ADAPTERS", "vote"]


class _Bagged(Protocol):
    estimators_: Sequence[object]
    estimators_features_: Sequence[NDArray[np.int64]]
    n_features_in_: int
    n_classes_: int


class _Voting(Protocol):
    estimators_: Sequence[object]
    voting: str
    _weights_not_none: Sequence[float] | None


def _is_classifier(estimator: object) -> bool:
    return hasattr(estimator, "classes_")


def _labels(estimator: object) -> list[int]:
    """Classes of a member: wrappers number the classes before they fit their members."""
    return [int(label) for label in cast("Iterable[int]", getattr(estimator, "classes_", ()))]


# Bagging


def _bagging_source(estimator: object) -> Source:
    require_fitted(estimator)
    bag = cast("_Bagged", estimator)
    members = tuple(_member_source(member) for member in bag.estimators_)
    reads = tuple(tuple(int(j) for j in own) for own in bag.estimators_features_)
    source = BagSource.of(estimator, library=library_name())
    columns = _common_columns(members, reads, source.columns)
    return replace(
        source,
        columns=columns,
        missing=any(column.missing for column in columns),
        unknown=any(column.unknown for column in columns),
        tolerance=max(member.tolerance for member in members),
        members=members,
        reads=reads,
        decides=_has_decision(bag),
        nans=frozenset(
            j
            for member, own in zip(members, reads, strict=True)
            if isinstance(member, WrapperSource)
            for j, column, marker in zip(own, member.columns, member.markers, strict=True)
            if column.levels is not None and marker is not None
        ),
    )


def _member_source(member: object) -> Source:
    try:
        return _registry.source(member)
    except NotNative:
        return EstimatorSource.of(member, library=library_name())


@dataclass(frozen=True)
class BagSource(EstimatorSource):
    """A bag, whose members are given some of its columns each.

    Attributes
    ----------
    members : tuple of Source
    reads : tuple of tuple of int
        Columns of each member, in its order.
    decides : bool
        Whether there is a mean of decision functions.
    nans : frozenset of int
        Columns of words in which a missing one is NaN to the members, not None.
    """

    members: tuple[Source, ...] = ()
    reads: tuple[tuple[int, ...], ...] = ()
    decides: bool = False
    nans: frozenset[int] = frozenset()

    def given(self, rows: NDArray[np.float64]) -> object:
        """Rows as the estimator was fitted: columns of objects are what it makes of a frame."""
        values: Any = super().given(rows)
        for j, column in enumerate(self.columns):
            if column.levels is None:
                continue
            words = level_values(rows[:, j], column.levels)
            if j in self.nans:
                words[[word is None for word in words]] = np.nan
            if isinstance(values, np.ndarray):
                values[:, j] = words
            elif hasattr(values, "iloc"):
                import pandas as pd

                # Else pandas takes None for NaN.
                values[values.columns[j]] = pd.Series(words, dtype=object)
        return values

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of the decision functions, else probabilities; values of a regressor."""
        if self.classes is None or self.decides:
            return super().score(rows)
        return np.asarray(self.estimator.predict_proba(self.given(rows)), dtype=np.float64)

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        return "score" if self.classes is None or self.decides else "proba"

    def takes(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows every member takes."""
        taken = np.ones(len(rows), dtype=np.bool_)
        for member, own in zip(self.members, self.reads, strict=True):
            taken &= member.takes(self._of_member(rows, member, own))
        return taken

    def slack(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest of the members'."""
        largest = np.zeros(len(rows))
        for member, own in zip(self.members, self.reads, strict=True):
            np.maximum(largest, member.slack(self._of_member(rows, member, own)), out=largest)
        return largest

    def _of_member(
        self, rows: NDArray[np.float64], member: Source, reads: Sequence[int]
    ) -> NDArray[np.float64]:
        own = rows[:, reads]
        for i, (j, column) in enumerate(zip(reads, member.columns, strict=True)):
            if column.levels is not None and column.levels != self.columns[j].levels:
                known: Mapping[object, float]
                known = {level: float(k) for k, level in enumerate(column.levels)}
                every = [known.get(level, UNKNOWN) for level in self.columns[j].levels or ()]
                table = Table(0, tuple(every), UNKNOWN, np.nan)
                own[:, i] = Features((column,), (table,)).encode(own[:, [i]])[:, 0]
        return own


def _has_decision(bag: _Bagged) -> bool:
    """Whether there is a mean of decision functions: not if they are of different classes."""
    return (
        _is_classifier(bag)
        and hasattr(bag, "decision_function")
        and all(len(_labels(member)) == bag.n_classes_ for member in bag.estimators_)
    )


def _common_columns(
    members: Sequence[Source], reads: Sequence[Sequence[int]], columns: Sequence[RawColumn]
) -> tuple[RawColumn, ...]:
    """Columns with the levels that some member knows, and what all of their readers take."""
    levels: list[dict[object, None]] = [{} for _ in columns]
    number, missing, unknown = (np.full(len(columns), value) for value in (False, True, True))
    for member, own in zip(members, reads, strict=True):
        for j, column in zip(own, member.columns, strict=True):
            if column.levels is None:
                number[j] = True
            levels[j].update(dict.fromkeys(column.levels or ()))
            missing[j] &= member.missing and column.missing
            unknown[j] &= member.unknown and column.unknown
    for j, own_levels in enumerate(levels):
        if number[j] and own_levels:
            raise NotNative(f"column number {j} is a category for some members only")
    return tuple(
        RawColumn(column.name, tuple(own) if own else None, bool(missing[j]), bool(unknown[j]))
        for j, (column, own) in enumerate(zip(columns, levels, strict=True))
    )


def _bagging_build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    from sklearn.tree import BaseDecisionTree

    bag = cast("_Bagged", estimator)
    if all(isinstance(member, BaseDecisionTree) for member in bag.estimators_):
        return _bagged_trees(estimator, graph, features)
    inner = [
        _registry.build(member, graph, features.select([int(j) for j in own]))
        for member, own in zip(bag.estimators_, bag.estimators_features_, strict=True)
    ]
    if not _is_classifier(estimator):
        return Heads(score=graph.mean([heads.score for heads in inner]))
    n_classes = bag.n_classes_
    votes = [
        _spread(_proba_or_vote(heads, graph), _labels(member), n_classes, graph)
        for member, heads in zip(bag.estimators_, inner, strict=True)
    ]
    proba = graph.mean(votes)
    score = proba
    if _has_decision(bag):
        score = graph.mean([heads.score for heads in inner])
    return Heads(score=score, proba=proba, decision=proba)


def _proba_or_vote(heads: Heads, graph: GraphBuilder) -> int:
    return vote(heads, graph) if heads.proba is None else heads.proba


def vote(heads: Heads, graph: GraphBuilder) -> int:
    """Return a node that is 1 at the label that a member predicts, else 0."""
    if heads.decision is None:
        raise NotNative("a member is no classifier")
    return graph.one_hot_argmax(heads.decision)


def _spread(node: int, labels: Sequence[int], n_classes: int, graph: GraphBuilder) -> int:
    """Put a member's outputs in the order of all classes, 0 for those it has not seen."""
    if list(labels) == list(range(n_classes)):
        return node
    return graph.pick(node, [labels.index(k) if k in labels else -1 for k in range(n_classes)])


def _bagged_trees(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    bag = cast("_Bagged", estimator)
    members = cast("Sequence[FittedTree]", bag.estimators_)
    trees = [member.tree_ for member in members]
    values = [tree.value[:, 0, :] for tree in trees]
    classifier = _is_classifier(estimator)
    if classifier:
        spread = []
        for member, own in zip(members, values, strict=True):
            wide = np.zeros((len(own), bag.n_classes_))
            wide[:, _labels(member)] = own
            spread.append(wide)
        values = spread
    outputs = graph.trees(
        tree_nodes(trees, values, bag.estimators_features_),
        features,
        n_outputs=values[0].shape[1],
        divisor=float(len(trees)),
    )
    if classifier:
        return Heads(score=outputs, proba=outputs, decision=outputs)
    return Heads(score=outputs)


# Voting


def _voting_source(estimator: object) -> Source:
    require_fitted(estimator)
    source = wrapper_source(estimator)
    if getattr(estimator, "voting", None) != "hard":
        return source
    return VoteSource(**{own.name: getattr(source, own.name) for own in fields(source)})


@dataclass(frozen=True)
class VoteSource(WrapperSource):
    """A hard vote, with the sums of the weights of the votes as scores."""

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of weights, (rows, classes)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what encoders say about unknown words
            members = np.asarray(self.estimator.transform(self.given(rows)))
        votes = np.zeros((len(rows), len(self.classes or ())))
        for k, weight in enumerate(_weights(self.estimator)):
            votes[np.arange(len(rows)), members[:, k]] += weight
        return votes

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        return "score"


def _weights(estimator: object) -> NDArray[np.float64]:
    voting = cast("_Voting", estimator)
    given = voting._weights_not_none
    return np.asarray(
        np.ones(len(voting.estimators_)) if given is None else given, dtype=np.float64
    )


def _voting_build(estimator: object, graph: GraphBuilder, features: Features) -> Heads:
    voting = cast("_Voting", estimator)
    given = columns_of(estimator).all_of(features)
    inner = [_registry.build(member, graph, given) for member in voting.estimators_]
    weights = _weights(estimator)
    total = float(weights.sum())
    if not _is_classifier(estimator):
        return Heads(score=graph.combine([heads.score for heads in inner], weights, total))
    if voting.voting == "hard":
        votes = graph.combine([vote(heads, graph) for heads in inner], weights)
        return Heads(score=votes, decision=votes)
    probabilities = []
    for heads in inner:
        if heads.proba is None:
            raise NotNative("a member of the soft vote has no probabilities")
        probabilities.append(heads.proba)
    proba = graph.combine(probabilities, weights, total)
    return Heads(score=proba, proba=proba, decision=proba)


ADAPTERS = (
    Adapter(
        family="scikit-learn Bagging",
        classes=("sklearn.BaggingClassifier", "sklearn.BaggingRegressor"),
        source=_bagging_source,
        build=_bagging_build,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="of supported models, with what these have",
    ),
    Adapter(
        family="scikit-learn Voting",
        classes=("sklearn.VotingClassifier", "sklearn.VotingRegressor"),
        source=_voting_source,
        build=_voting_build,
        gradient=True,
        slices=True,
        missing=True,
        categorical=True,
        note="of supported models, with what these have; hard votes give labels only",
    ),
)
