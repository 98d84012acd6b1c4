"""The adapters, and the one that fits an object."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sondage.models._adapter import NotNative

if TYPE_CHECKING:
    from sondage.models._adapter import Adapter, Source
    from sondage.models._features import Features
    from sondage.models._graph import GraphBuilder, Heads

__all__ = ["adapters", "build", "find", "source"]

# Root package of a model's class to the modules with adapters for it; each has ADAPTERS.
MODULES: dict[str, tuple[str, ...]] = {
    "sklearn": (
        "sklearn_trees",
        "sklearn_boosting",
        "sklearn_isolation",
        "sklearn_ensembles",
        "sklearn_stacking",
        "sklearn_adaboost",
        "sklearn_linear",
        "sklearn_kernels",
        "sklearn_nets",
        "sklearn_pipelines",
        "sklearn_calibration",
    ),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "interpret": ("ebm",),
    "torch": ("torch",),
    "sondage": ("xgboost", "lightgbm", "catboost"),  # model files
}


def adapters() -> list[Adapter]:
    """Return every adapter, without importing any model library."""
    return list(dict.fromkeys(adapter for root in MODULES for adapter in _of(root)))


def find(obj: object) -> Adapter | None:
    """Return the adapter for an object's class or the nearest base class that has one."""
    for cls in type(obj).__mro__:
        root = cls.__module__.partition(".")[0]
        name = f"{root}.{cls.__name__}"
        for adapter in _of(root):
            if name in adapter.classes:
                return adapter
    return None


def source(obj: object) -> Source:
    """Return the object as its own library evaluates it; raises `NotNative` without adapter."""
    return _found(obj).source(obj)


def build(obj: object, graph: GraphBuilder, features: Features) -> Heads:
    """Add a model to a graph; raises `NotNative` if the core cannot evaluate it."""
    return _found(obj).build(obj, graph, features)


def _found(obj: object) -> Adapter:
    adapter = find(obj)
    if adapter is None:
        kind = type(obj)
        raise NotNative(f"{kind.__module__}.{kind.__qualname__} has no native form")
    return adapter


def _of(root: str) -> tuple[Adapter, ...]:
    found: tuple[Adapter, ...] = ()
    for module in MODULES.get(root, ()):
        found += import_module(f"sondage.models.{module}").ADAPTERS
    return found
