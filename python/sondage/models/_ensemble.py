"""Distributions over models: a weighted mean of several that answer the same question."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sondage.errors import ModelError
from sondage.frames import listed, plain
from sondage.models._adapter import Source
from sondage.models._checks import check_name
from sondage.models._members import Members, weighted_mean
from sondage.models._model import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from sondage.models._features import RawColumn

__all__ = ["ensemble"]


def ensemble(
    models: Sequence[Model], weights: Sequence[float] | None = None, *, name: str = "ensemble"
) -> Model:
    """Make one model of several: a distribution q* over models (MATH section 8).

    Its probabilities, scores of equal width and values are the weighted means of the members'. A
    question about it is the mean over q* of the question about a member, E_q*[loss(y_θ(x))]; a
    requirement is about the mean.

    Parameters
    ----------
    models : sequence of Model
        Of one kind, with the same classes and columns: refits, seeds, checkpoints.
    weights : sequence of float, optional
        Above zero; divided by their sum. None: all equal.
    name : str
        How reports and descriptions call it.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no model, or they do not agree in kind, classes and columns.
    """
    members = list(models)
    if not members or not all(isinstance(model, Model) for model in members):
        raise ModelError("an ensemble needs a list of models from as_model")
    first = members[0]
    for model in members[1:]:
        for what in ("kind", "classes", "n_features", "feature_names"):
            if getattr(model, what) != getattr(first, what):
                raise ModelError(
                    f"{model.name} has {what} {getattr(model, what)!r} and {first.name} "
                    f"{getattr(first, what)!r}; the models of an ensemble must agree"
                )
        if _levels(model) != _levels(first):
            raise ModelError(f"{model.name} and {first.name} read columns of different levels")
    given = _shares(weights, len(members))
    # The members of an ensemble in an ensemble are members like others.
    flat = [
        (share * own, model)
        for share, outer in zip(given, members, strict=True)
        for own, model in outer.members
    ]
    shares, members = tuple(share for share, _ in flat), [model for _, model in flat]
    digest = hashlib.blake2b(repr(shares).encode(), digest_size=16)
    for model in members:
        digest.update(model.fingerprint.encode())
    return Model(
        name=check_name(name),
        kind=first.kind,
        library=first.library,
        classes=first.classes,
        n_features=first.n_features,
        feature_names=first.feature_names,
        native=all(model.native for model in members),
        differentiable=all(model.differentiable for model in members),
        fingerprint=digest.hexdigest(),
        _native=None,
        _source=EnsembleSource.of(members, shares),
        _members=Members(tuple(zip(shares, members, strict=True))),
    )


def _levels(model: Model) -> list[object]:
    return [column.levels for column in model._source.columns]


def _shares(weights: Sequence[float] | None, n: int) -> tuple[float, ...]:
    if weights is None:
        return (1.0 / n,) * n
    given = []
    for weight in (plain(one) for one in weights):
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0.0:
            raise ModelError(f"weight {weight!r} of an ensemble must be a number above zero")
        given.append(float(weight))
    total = sum(given)
    if len(given) != n or not np.isfinite(total):
        raise ModelError(f"{len(given)} weights ({listed(given)}) were given for {n} models")
    return tuple(weight / total for weight in given)


@dataclass(frozen=True)
class EnsembleSource(Source):
    """The members' own libraries, averaged."""

    sources: tuple[Source, ...]
    shares: tuple[float, ...]
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    unknown: bool

    @classmethod
    def of(cls, members: list[Model], shares: tuple[float, ...]) -> EnsembleSource:
        """Collect the sources of models that agree."""
        sources = tuple(model._source for model in members)
        return cls(
            sources=sources,
            shares=shares,
            library=members[0].library,
            kind=members[0].kind,
            classes=sources[0].classes,
            columns=sources[0].columns,
            missing=all(source.missing for source in sources),
            unknown=all(source.unknown for source in sources),
        )

    def has_proba(self) -> bool:
        """Whether every member has class probabilities."""
        return all(source.has_proba() for source in self.sources)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Class of the largest mean probability, of most votes without; the mean value."""
        if self.classes is None:
            return self.score(rows)
        proba = self.proba(rows)
        if proba is None:
            votes = np.eye(len(self.classes))
            proba = self._mean(votes[source.predict(rows).astype(int)] for source in self.sources)
        return np.asarray(np.argmax(proba, axis=1), dtype=np.int64)

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Mean of the members' probabilities."""
        if not self.has_proba():
            return None
        found = (source.proba(rows) for source in self.sources)
        return self._mean(proba for proba in found if proba is not None)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of the members' scores."""
        return self._mean(source.score(rows) for source in self.sources)

    def _mean(self, values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        return weighted_mean(self.shares, values)
