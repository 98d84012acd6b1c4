"""The errors that sondage raises: one class per part of the library, each with a builtin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sondage.answer import Answer

__all__ = [
    "DataError",
    "InternalError",
    "MissingDependencyError",
    "ModelError",
    "ModelParityError",
    "QuestionError",
    "SamplingError",
    "SondageError",
    "SondageWarning",
    "SpaceError",
    "StartError",
]


class SondageError(Exception):
    """Base of every error that sondage raises on purpose."""


class SpaceError(SondageError, ValueError):
    """A column or a space that cannot be: bounds, kinds, names."""


class QuestionError(SondageError, ValueError):
    """A question that its model or its space cannot answer."""


class DataError(SondageError, ValueError):
    """A frame or a row that does not hold what is needed: columns, numbers, finite values."""


class ModelError(SondageError, ValueError):
    """A model that is not supported, not fitted, or reads other columns than are given."""


class ModelParityError(ModelError):
    """An imported model that does not predict what its own library predicts."""


class SamplingError(SondageError, ValueError, RuntimeError):
    """A run that cannot start or had to stop.

    Attributes
    ----------
    answer : Answer or None
        The answer so far (status ``"failed"``), where the run had started.
    """

    answer: Answer | None = None


class StartError(SamplingError):
    """No row was found that chains could start from: one that meets all requirements."""


class InternalError(SondageError, RuntimeError):
    """A defect of sondage itself; please report it."""


class MissingDependencyError(SondageError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class SondageWarning(UserWarning):
    """Base of the warnings that sondage gives."""


class ForeignModelWarning(SondageWarning):
    """A model that the core cannot evaluate: its own library does, call by call, and slower."""
