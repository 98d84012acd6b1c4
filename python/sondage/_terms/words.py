"""Labels, numbers and penalties in the words of descriptions, and as the code that makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sondage._checks import Band
    from sondage.models import Model

__all__ = ["as_band", "averaged", "band_words", "shown", "weighted"]


def weighted(weight: float, clause: str, penalty: str) -> str:
    """Join what is wanted, how a row is penalised for missing it, and the weight unless one."""
    if weight < 0.0:
        return f"it is not so that {clause} (reward: {penalty}; weight {-weight:.10g})"
    known = "" if weight == 1.0 else f"; weight {weight:.10g}"
    return f"{clause} (penalty: {penalty}{known})"


def averaged(penalty: str, model: Model) -> str:
    """Say where a penalty is a mean over an ensemble."""
    n = len(model.members)
    return penalty if n == 1 else f"{penalty}, on average over its {n:,} models"


def as_band(label: object | Band) -> Band:
    """Return a band as it is, a number as a band without width."""
    if isinstance(label, tuple):
        return label[0], label[1]
    value = float(label)  # type: ignore[arg-type]
    return value, value


def band_words(label: object | Band) -> str:
    """Write a number or a band."""
    lower, upper = as_band(label)
    if lower == upper:
        return f"{lower:.10g}"
    if math.isinf(lower):
        return f"at most {upper:.10g}"
    if math.isinf(upper):
        return f"at least {lower:.10g}"
    return f"a value between {lower:.10g} and {upper:.10g}"


def shown(label: object | Band) -> str:
    """Write a label, a number or a band as Python does, infinities included."""
    if isinstance(label, tuple):
        return f"({shown(label[0])}, {shown(label[1])})"
    if isinstance(label, float) and math.isinf(label):
        return f"float('{label}')"
    return repr(label)
