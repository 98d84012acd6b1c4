"""Columns whose values a model looks up in a list of categories of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sondage.models._adapter import NotNative
from sondage.models._features import UNKNOWN, Chain, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sondage.models._features import Features

__all__ = ["with_codes"]


def with_codes(features: Features, codes: Mapping[int, Mapping[object, int]]) -> Features:
    """Replace features by the codes that the model has for their values.

    Parameters
    ----------
    features : Features
    codes : mapping
        From a feature's position to the model's code of every category. A level of a raw column is
        looked up as it is where the feature is that column; else the feature's number is.

    Returns
    -------
    Features
        With `UNKNOWN` for what the model has no code for, NaN where missing.

    Raises
    ------
    NotNative
        If such a feature is a number with more than a few values.
    """
    changed = list(features.features)
    for position, own in codes.items():
        feature = features.features[position]
        if isinstance(feature, Chain):
            name = features.columns[feature.column].name
            column = f"number {feature.column}" if name is None else repr(name)
            raise NotNative(f"column {column} is a number that the model takes as a category")
        levels = features.columns[feature.column].levels or ()
        raw = feature.values == tuple(float(k) for k in range(len(levels)))
        if raw and set(own) <= set(levels):
            known: dict[float, int] = {
                float(k): own[level] for k, level in enumerate(levels) if level in own
            }
        else:
            known = {float(c): k for c, k in own.items() if isinstance(c, int | float)}
        changed[position] = Table(
            feature.column,
            tuple(_code(value, known) for value in feature.values),
            _code(feature.unknown, known),
            _code(feature.missing, known),
        )
    return replace(features, features=tuple(changed))


def _code(value: float, known: Mapping[float, int]) -> float:
    if np.isnan(value):
        return np.nan
    return float(known.get(value, UNKNOWN))
