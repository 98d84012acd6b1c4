"""Models that only their own library can evaluate: any callable, any object with ``predict``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sondage.errors import ModelError
from sondage.frames import listed
from sondage.models._callable_source import CallableSource
from sondage.models._sources import EstimatorSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sondage.models._adapter import Source
    from sondage.models._callable_source import Output
    from sondage.space import Space

__all__ = ["OUTPUTS", "foreign_source", "library_of"]

OUTPUTS: tuple[Output, ...] = ("score", "proba", "value", "label")


def foreign_source(
    obj: object,
    *,
    space: Space | None,
    output: str | None,
    classes: Sequence[object] | None,
    vjp: Callable[[Any, Any], Any] | None = None,
) -> Source:
    """Return the source of an object without adapter.

    Raises
    ------
    ModelError
        If it is neither callable nor fitted with ``predict``, or says too little about itself.
    """
    if hasattr(obj, "predict") and hasattr(obj, "n_features_in_"):
        if output is not None:
            raise ModelError(f"output={output!r} is for callables; leave it out")
        if vjp is not None:
            raise ModelError("vjp= is for callables; leave it out")
        return EstimatorSource.of(obj, library=library_of(obj))
    if hasattr(obj, "predict") or isinstance(obj, type) or not callable(obj):
        raise ModelError(not_supported(obj))
    for given in OUTPUTS:
        if output == given:
            if space is None:
                raise ModelError("a callable needs space=, which names the columns it reads")
            return CallableSource.of(obj, space, given, classes, vjp)
    raise ModelError(
        f"output={output!r} must say what the callable gives: one of {listed(OUTPUTS)}"
    )


def not_supported(obj: object) -> str:
    """Say that `obj` is no supported model, and what is one."""
    kind = type(obj)
    return (
        f"{kind.__module__}.{kind.__qualname__} is not supported: a fitted model with predict and "
        "n_features_in_, a model file, or a callable is needed; docs/models.md lists the models "
        "that are read natively"
    )


def library_of(obj: object) -> str:
    """Name and version of the package that an object's class comes from."""
    root = type(obj).__module__.partition(".")[0]
    name = {"sklearn": "scikit-learn"}.get(root, root)
    if root in ("__main__", "builtins"):
        return "Python"
    version = getattr(import_module(root), "__version__", None)
    return f"{name} {version}" if isinstance(version, str) else name
