"""A torch module as torch evaluates it, and what its last layer gives.

Layers are told apart by the names of their classes, exactly: a subclass may have another forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np

from sondage.errors import ModelError
from sondage.models._adapter import Source
from sondage.models._calls import of_pair
from sondage.models._features import RawColumn
from sondage.models._torch_call import STATELESS, ModuleCall, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from sondage.models._adapter import Gives, Vjp
    from sondage.space import Space

__all__ = ["NO_OPS", "Output", "TorchSource", "flat_layers", "read_output"]

# Logits (n, K) or a margin (n,); probabilities (n, K) or of class 1 (n,); a number; class numbers.
Output: TypeAlias = Literal["score", "proba", "value", "label"]

NO_OPS = frozenset({"AlphaDropout", "Dropout", "Flatten", "Identity"})
ENDINGS = {"LogSoftmax": "log-probabilities", "Sigmoid": "shares", "Softmax": "probabilities"}

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class TorchSource(Source):
    """A module, called on its own device and in its own precision."""

    call: ModuleCall
    output: Output
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    #: float32 loses about as many digits to the size of a row as to the sums of the layers.
    tolerance: float
    differentiable: bool

    @classmethod
    def of(
        cls,
        module: nn.Module,
        output: str | None = None,
        classes: Sequence[object] | None = None,
        space: Space | None = None,
    ) -> TorchSource:
        """Read off a module what is not given.

        Parameters
        ----------
        module : torch.nn.Module
        output : {"score", "proba", "value", "label"}, optional
            What the last layer gives.
        classes : sequence, optional
            Labels in the order of the outputs; default: 0, 1, …
        space : Space, optional
            Says how many columns a module reads whose first layer does not.

        Raises
        ------
        ModelError
            If a layer is in training mode, or the outputs are not what `output` says.
        """
        import torch

        call = ModuleCall.of(module)
        n = n_columns(module, space)
        resolved, width = read_output(module, output, n)
        sloped = None if resolved == "label" else call.differentiable(n)
        return cls(
            call=call if sloped is None else sloped,
            output=resolved,
            library=f"torch {torch.__version__}",
            kind="regressor" if resolved == "value" else "classifier",
            classes=_classes(module, resolved, classes, width),
            columns=(RawColumn(),) * n,
            missing=False,
            tolerance=1e-6 if call.precise else 1e-4,
            differentiable=sloped is not None,
        )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Values, or positions in `classes` of the largest output; see `Source`."""
        outputs = self.call(rows)
        if self.output == "value":
            return outputs
        if self.output == "label":
            return self._label_numbers(outputs)
        if outputs.ndim == 1:
            return (outputs > (0.0 if self.output == "score" else 0.5)).astype(np.int64)
        labels: NDArray[np.int64] = np.argmax(outputs, axis=1).astype(np.int64)
        return labels

    def has_proba(self) -> bool:
        """Whether there are class probabilities."""
        return self.output not in ("value", "label")

    def proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Probabilities that the module gives, or that follow from its logits."""
        if not self.has_proba():
            return None
        outputs = self.call(rows)
        if self.output == "score":
            logits = outputs if outputs.ndim == 2 else np.stack([0.0 * outputs, outputs], axis=1)
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
            return cast("NDArray[np.float64]", shifted / shifted.sum(axis=1, keepdims=True))
        return self._probabilities(outputs)

    def _probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs for both classes, having checked that they are probabilities."""
        if outputs.ndim == 1:
            outputs = np.stack([1.0 - outputs, outputs], axis=1)
        wrong = (outputs < -_SUM_TOLERANCE).any(axis=1)
        wrong |= np.abs(outputs.sum(axis=1) - 1.0) > _SUM_TOLERANCE
        if wrong.any():
            row = outputs[int(np.argmax(wrong))]
            raise ModelError(
                f"{self._name} was imported with output='proba', but gives "
                f"{row.tolist()}: probabilities are not negative and add up to 1; use "
                "output='score' for logits"
            )
        return outputs

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits, margin or value; probabilities where the module has no others, else votes."""
        if self.output == "proba":
            return cast("NDArray[np.float64]", self.proba(rows))
        outputs = self.call(rows)
        if self.output == "label":
            return np.eye(len(self.classes or ()))[self._label_numbers(outputs)]
        return outputs

    def with_vjp(self, rows: NDArray[np.float64], gives: Gives) -> tuple[NDArray[np.float64], Vjp]:
        """Return outputs from one forward pass, and the backward pass; see `Source`."""
        outputs, vjp = self.call.with_vjp(rows)
        if gives != "proba":
            return outputs, vjp
        if outputs.ndim == 2:
            return self._probabilities(outputs), vjp
        return self._probabilities(outputs), of_pair(vjp)

    def score_is(self) -> Literal["logits", "score", "proba", "decision"]:
        """Say what `score` gives."""
        kinds = {"score": "logits", "proba": "proba", "label": "decision"}
        return cast(
            "Literal['logits', 'score', 'proba', 'decision']", kinds.get(self.output, "score")
        )

    def label_is(self) -> Literal["proba", "decision"]:
        """Say where the label comes from: labels are their own, others the largest."""
        return "proba" if self.output == "proba" else "decision"

    def _label_numbers(self, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        n = len(self.classes or ())
        wrong = (outputs < 0) | (outputs >= n) | (outputs != np.floor(outputs))
        if wrong.any():
            raise ModelError(
                f"{self._name} was imported with output='label', but gives "
                f"{float(outputs[int(np.argmax(wrong))])}: class numbers from 0 to {n - 1} are "
                "needed"
            )
        return outputs.astype(np.int64)

    @property
    def _name(self) -> str:
        return type(self.call.module).__name__


def flat_layers(module: nn.Module) -> list[nn.Module]:
    """Layers of nested `nn.Sequential`, in the order of evaluation, but for those without effect.

    Any other module is a layer by itself.
    """
    if kind_of(module) != "Sequential":
        return [] if kind_of(module) in NO_OPS else [module]
    # Not children(): it names a layer that is used twice only once.
    return [layer for child in cast("nn.Sequential", module) for layer in flat_layers(child)]


def read_output(module: nn.Module, output: str | None, n_columns: int) -> tuple[Output, int]:
    """Return what the last layer gives, and how many numbers."""
    name = type(module).__name__
    if output is not None and output not in get_args(Output):
        raise ModelError(
            f"output={output!r} is not allowed; {', '.join(map(repr, get_args(Output)))} are"
        )
    layers = flat_layers(module)
    for layer in layers:
        if kind_of(layer) in ("Softmax", "LogSoftmax") and layer.dim not in (1, -1):
            raise ModelError(f"{name} has {layer}, which does not work row by row; set its dim=1")
    try:
        outputs = ModuleCall.of(module)(np.zeros((1, n_columns)))
    except (RuntimeError, TypeError, IndexError) as error:
        raise ModelError(
            f"{name} could not be called on a tensor of shape (1, {n_columns}): {error}"
        ) from error
    width = 1 if outputs.ndim == 1 else outputs.shape[1]
    last = kind_of(layers[-1]) if layers else ""
    if output is None:
        output = _inferred(name, last, width)
    if output == "value" and width != 1:
        raise ModelError(f"{name} has {width} outputs; a model of values has one")
    if output == "label" and width != 1:
        raise ModelError(f"{name} has {width} outputs; a model of labels has one; say 'score'?")
    if output == "score" and last in ("Sigmoid", "Softmax"):
        raise ModelError(
            f"{name} ends in {last}, which gives {ENDINGS[last]}, not the scores that "
            "output='score' says; use output='proba'"
        )
    known = last in STATELESS | {"BatchNorm1d"}
    if output == "proba" and known and last != "Softmax" and (last, width) != ("Sigmoid", 1):
        raise ModelError(
            f"{name} ends in {last} with {width} outputs, which are not the probabilities that "
            "output='proba' says; Softmax or a Sigmoid with one output give such; for logits use "
            "output='score'"
        )
    return cast("Output", output), width


def _inferred(name: str, last: str, width: int) -> Output:
    if last == "Softmax" or (last, width) == ("Sigmoid", 1):
        return "proba"
    if last == "LogSoftmax":
        return "score"
    raise ModelError(
        f"{name} does not say what its {width} output{'s are' if width > 1 else ' is'}; give "
        "output='score' for logits or a margin, 'proba' for probabilities, 'value' for a "
        "regressor, 'label' for class numbers"
    )


def n_columns(module: nn.Module, space: Space | None = None) -> int:
    """Columns that the first layer reads, or that the space has; a call on a row confirms it."""
    sizes = {"BatchNorm1d": "num_features", "Linear": "in_features"}

    def size(part: nn.Module) -> int:
        return int(getattr(part, sizes[kind_of(part)]))

    first = next(iter(flat_layers(module)), module)
    if kind_of(first) in sizes:
        return size(first)
    if space is not None:
        return len(space.columns)
    for part in module.modules():
        if kind_of(part) in sizes:
            return size(part)
        if next(part.parameters(recurse=False), None) is not None:
            break
    raise ModelError(
        f"{type(module).__name__} does not say how many columns it reads: its first layer with "
        "parameters is no Linear or BatchNorm1d; give space=, whose columns it reads"
    )


def _classes(
    module: nn.Module, output: Output, given: Sequence[object] | None, width: int
) -> tuple[object, ...] | None:
    name = type(module).__name__
    if output == "value":
        if given is not None:
            raise ModelError(f"classes was given, but {name} with output='value' is a regressor")
        return None
    if output == "label":
        if given is None:
            raise ModelError(f"{name} with output='label' needs classes=, the labels 0, 1, … mean")
        return tuple(given)
    n = max(width, 2)
    if given is None:
        return tuple(range(n))
    if len(given) != n:
        raise ModelError(f"{name} tells {n} classes apart; classes has {len(given)}")
    return tuple(given)
