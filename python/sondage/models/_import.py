"""The one door for models: find the adapter for what the user has."""

from __future__ import annotations

import hashlib
import re
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sondage._core import Graph, TreeEnsemble
from sondage.errors import ForeignModelWarning, ModelError
from sondage.models import _registry
from sondage.models._adapter import NotNative
from sondage.models._calls import Foreign
from sondage.models._checks import check_classes, check_name, check_rows, names_of
from sondage.models._features import Features
from sondage.models._foreign import foreign_source
from sondage.models._graph import GraphBuilder
from sondage.models._model import Model, Native
from sondage.models._parity import compare, parity_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sondage.frames import FrameLike
    from sondage.models._adapter import Adapter, Source
    from sondage.space import Space

__all__ = ["as_model"]


def as_model(
    obj: object,
    *,
    space: Space | None = None,
    output: str | None = None,
    classes: Sequence[object] | None = None,
    name: str | None = None,
    check: FrameLike | None = None,
    vjp: Callable[[Any, Any], Any] | None = None,
) -> Model:
    """Import a fitted model and prove that it predicts what its own library predicts.

    Parameters
    ----------
    obj : model, path or callable
        A fitted model of scikit-learn (pipelines included), XGBoost, LightGBM, CatBoost,
        InterpretML or torch; the path of a model file (XGBoost ``.json``, ``.ubj``; LightGBM
        ``.txt``; CatBoost ``.json``; scikit-learn ``.skops``); a callable from a 2-D array (or a
        frame, where the space has categories) to an array. A `Model` is returned as it is.
        ``docs/models.md`` lists what the core evaluates; everything else with a ``predict`` is
        evaluated by its own library.
    space : Space, optional
        Names the columns, by position, for a model that was fitted without names; a model with
        names must find each of them in the space. A callable needs one, and so does a torch module
        whose first layer does not say how many columns it reads.
    output : {"score", "proba", "value", "label"}, optional
        What a callable or a torch module gives: logits (rows, classes) or a margin (rows,),
        probabilities, a number, or labels.
    classes : sequence, optional
        Other names for the classes, in the order of the model's own.
    name : str, optional
        How reports and descriptions call the model; default: its class name, or the file's name.
    check : frame, optional
        Rows to compare predictions on, beside the automatic ones.
    vjp : callable, optional
        The gradient of a callable: from the rows and a cotangent, an array of the shape of its
        outputs, to the gradient of their product, of the shape of the rows. Functions that give
        JAX arrays and torch modules have theirs by themselves.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If the model is not supported, not fitted, has several outputs, or reads columns that the
        space does not have.
    ModelParityError
        If the imported model predicts differently; names the first row that does.

    Warns
    -----
    ForeignModelWarning
        If the core cannot evaluate the model; says which feature of it stands in the way.

    Notes
    -----
    The automatic rows are uniform over the range that matters to the model, with missing values
    and unknown categories where the library takes them, and for a sample of the splits of trees at
    the threshold and its neighbours in float32 and float64.
    """
    if isinstance(obj, Model):
        if not all(given is None for given in (output, classes, name, vjp)):
            raise ModelError("a Model is already imported; pass the model to import it anew")
        model = obj
    else:
        if isinstance(obj, str | PathLike):
            from sondage.models._files import open_model

            name = _identifier(Path(obj).stem) if name is None else name
            obj = open_model(obj)
        model = _imported(obj, space, output, classes, name, check, vjp)
    if space is None:
        return model
    if model.feature_names is None and len(space.columns) == model.n_features:
        return model.with_feature_names(space.columns)
    model.columns_in(space)
    return model


def _imported(
    obj: object,
    space: Space | None,
    output: str | None,
    classes: Sequence[object] | None,
    name: str | None,
    check: FrameLike | None,
    vjp: Callable[[Any, Any], Any] | None,
) -> Model:
    name = _snake_case(obj) if name is None else check_name(name)
    adapter = _registry.find(obj)
    if adapter is None:
        source = foreign_source(obj, space=space, output=output, classes=classes, vjp=vjp)
        reason = f"{_kind(obj)} has no native form"
        return _model(name, source, None, classes, reason, obj)
    if vjp is not None:
        raise ModelError(f"vjp= is for callables; {_kind(obj)} is none: leave it out")
    if adapter.with_output is not None:
        adapter = adapter.with_output(output, classes, space)
    elif output is not None:
        raise ModelError(
            f"output={output!r} is for callables and torch modules; {_kind(obj)} says itself what "
            "it gives: leave it out"
        )
    try:
        source = adapter.source(obj)
    except NotNative as error:
        source = foreign_source(obj, space=space, output=output, classes=classes)
        return _model(name, source, None, classes, str(error), obj)
    if source.classes is None and classes is not None:
        raise ModelError(f"classes was given, but {type(obj).__name__} is a regressor")
    try:
        native, graph = _build(adapter, obj, source)
    except NotNative as error:
        return _model(name, source, None, classes, str(error), obj)
    model = _model(name, source, native, classes, None, obj)
    rows = parity_rows(graph, source)
    if check is not None:
        given = check_rows(check, model.feature_names, source)
        rows = np.ascontiguousarray(np.concatenate([given, rows]))
    heads = native.heads
    compare(
        name,
        source,
        rows,
        native.values(rows, heads.score),
        None if heads.proba is None else native.values(rows, heads.proba),
        None if heads.decision is None else native.values(rows, heads.decision),
    )
    return model


def _build(adapter: Adapter, obj: object, source: Source) -> tuple[Native, GraphBuilder]:
    graph = GraphBuilder(len(source.columns))
    heads = adapter.build(obj, graph, Features.of(source.columns))
    native = Native(Graph(graph.n_columns, graph.operations), heads, tuple(graph.fitted))
    return native, graph


def _model(
    name: str,
    source: Source,
    native: Native | None,
    classes: Sequence[object] | None,
    reason: str | None,
    obj: object,
) -> Model:
    if reason is not None:
        warnings.warn(
            f"{name} is evaluated by {source.library} itself, call by call, which is slower than "
            f"a native model: {reason}",
            ForeignModelWarning,
            stacklevel=4,
        )
    return Model(
        name=name,
        kind=source.kind,
        library=source.library,
        classes=None if source.classes is None else check_classes(classes, source.classes),
        n_features=len(source.columns),
        feature_names=names_of(source.columns),
        native=native is not None,
        differentiable=source.differentiable if native is None else _differentiable(native),
        fingerprint=_fingerprint(native) if native is not None else f"{_kind(obj)} {name}",
        _native=native,
        _source=source,
        _foreign=Foreign.of(source) if native is None else None,
    )


def _differentiable(native: Native) -> bool:
    heads = native.heads
    node = heads.log_proba if heads.log_proba is not None else heads.proba
    return native.graph.differentiable(heads.score if node is None else node)


def _fingerprint(native: Native) -> str:
    digest = hashlib.blake2b(repr(native.heads).encode(), digest_size=16)

    def add(value: object) -> None:
        if isinstance(value, np.ndarray):
            digest.update(str((value.dtype.str, value.shape)).encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, TreeEnsemble):
            add(value.__getnewargs_ex__()[1])
        elif isinstance(value, dict):
            for key in sorted(value):
                add(key)
                add(value[key])
        elif isinstance(value, list | tuple):
            digest.update(f"{len(value)}".encode())
            for item in value:
                add(item)
        else:
            digest.update(repr(value).encode())

    add(native.graph.operations)
    return digest.hexdigest()


def _kind(obj: object) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def _snake_case(obj: object) -> str:
    own = getattr(obj, "__name__", None)
    return _identifier(own if isinstance(own, str) and own.isidentifier() else type(obj).__name__)


def _identifier(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower() or "model"
