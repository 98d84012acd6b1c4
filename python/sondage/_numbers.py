"""Arguments of runs: checked at the door, refused with what is allowed."""

from __future__ import annotations

import math

from sondage.errors import SamplingError
from sondage.frames import plain

__all__ = ["one_of", "positive", "whole"]


def whole(what: str, value: object, least: int) -> int:
    """Return a whole number of at least `least`."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SamplingError(f"{what}={value!r} must be a whole number of at least {least}")
    return value


def positive(what: str, value: object) -> float:
    """Return a finite number above zero."""
    value = plain(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise SamplingError(f"{what}={value!r} must be a finite number above zero")
    return float(value)


def one_of(what: str, value: object, options: tuple[str, ...]) -> None:
    """Refuse what is none of the options."""
    if value not in options:
        raise SamplingError(
            f"{what}={value!r} must be one of {', '.join(repr(option) for option in options)}"
        )
