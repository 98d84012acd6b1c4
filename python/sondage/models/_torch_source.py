"""A torch module as torch evaluates it, and what its last layer gives.

torch itself is imported where a module is called; layers are told apart by the names of their
classes, exactly: a subclass may have another forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np

from sondage.errors import ModelError
from sondage.models._adapter import Source
from sondage.models._features import RawColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray
    from torch import nn

__all__ = ["NO_OPS", "Output", "TorchSource", "flat_layers", "kind_of", "read_output"]

# Logits (n, K) or a margin (n,); probabilities (n, K) or of class 1 (n,); a number; class numbers.
Output: TypeAlias = Literal["score", "proba", "value", "label"]

NO_OPS = frozenset({"AlphaDropout", "Dropout", "Flatten", "Identity"})
#: Layers that do the same in training mode, and on each row by itself.
STATELESS = frozenset(
    {
        "Flatten",
        "GELU",
        "Identity",
        "LeakyReLU",
        "Linear",
        "LogSoftmax",
        "ReLU",
        "Sequential",
        "SiLU",
        "Sigmoid",
        "Softmax",
        "Tanh",
    }
)
ENDINGS = {"LogSoftmax": "log-probabilities", "Sigmoid": "shares", "Softmax": "probabilities"}

_BATCH = 16384
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class TorchSource(Source):
    """A module that is called without gradients on its own device and in its own precision."""

    module: nn.Module
    output: Output
    library: str
    kind: Literal["classifier", "regressor"]
    classes: tuple[object, ...] | None
    columns: tuple[RawColumn, ...]
    missing: bool
    #: float32 loses about as many digits to the size of a row as to the sums of the layers.
    tolerance: float

    @classmethod
    def of(
        cls,
        module: nn.Module,
        output: str | None = None,
        classes: Sequence[object] | None = None,
    ) -> TorchSource:
        """Read off a module what is not given.

        Parameters
        ----------
        module : torch.nn.Module
        output : {"score", "proba", "value", "label"}, optional
            What the last layer gives.
        classes : sequence, optional
            Labels in the order of the outputs; default: 0, 1, …

        Raises
        ------
        ModelError
            If a layer is in training mode, or the outputs are not what `output` says.
        """
        import torch

        _require_ready(module)
        n = _n_columns(module)
        resolved, width = read_output(module, output, n)
        return cls(
            module=module,
            output=resolved,
            library=f"torch {torch.__version__}",
            kind="regressor" if resolved == "value" else "classifier",
            classes=_classes(module, resolved, classes, width),
            columns=(RawColumn(),) * n,
            missing=False,
            tolerance=1e-6 if _like(module).dtype == torch.float64 else 1e-4,
        )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.generic]:
        """Values, or positions in `classes` of the largest output; see `Source`."""
        outputs = call(self.module, rows)
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
        outputs = call(self.module, rows)
        if self.output == "score":
            logits = outputs if outputs.ndim == 2 else np.stack([0.0 * outputs, outputs], axis=1)
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
            return cast("NDArray[np.float64]", shifted / shifted.sum(axis=1, keepdims=True))
        if outputs.ndim == 1:
            outputs = np.stack([1.0 - outputs, outputs], axis=1)
        wrong = (outputs < -_SUM_TOLERANCE).any(axis=1)
        wrong |= np.abs(outputs.sum(axis=1) - 1.0) > _SUM_TOLERANCE
        if wrong.any():
            row = outputs[int(np.argmax(wrong))]
            raise ModelError(
                f"{type(self.module).__name__} was imported with output='proba', but gives "
                f"{row.tolist()}: probabilities are not negative and add up to 1; use "
                "output='score' for logits"
            )
        return outputs

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits, margin or value; probabilities where the module has no others, else votes."""
        if self.output == "proba":
            return cast("NDArray[np.float64]", self.proba(rows))
        outputs = call(self.module, rows)
        if self.output == "label":
            return np.eye(len(self.classes or ()))[self._label_numbers(outputs)]
        return outputs

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
                f"{type(self.module).__name__} was imported with output='label', but gives "
                f"{float(outputs[int(np.argmax(wrong))])}: class numbers from 0 to {n - 1} are "
                "needed"
            )
        return outputs.astype(np.int64)


def call(module: nn.Module, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outputs of a module, (rows,) or (rows, outputs ≥ 2), in batches."""
    import torch

    like = _like(module)
    parts = []
    with torch.no_grad():
        for start in range(0, len(rows), _BATCH):
            # A copy: a first layer that works in place must not change the caller's rows.
            batch = torch.tensor(rows[start : start + _BATCH], dtype=like.dtype, device=like.device)
            part = module(batch)
            if not isinstance(part, torch.Tensor) or len(part.shape) not in (1, 2):
                shape = tuple(part.shape) if isinstance(part, torch.Tensor) else type(part)
                raise ModelError(
                    f"{type(module).__name__} gives {shape}; a tensor (rows,) or (rows, outputs) "
                    "is needed"
                )
            if len(part) != len(batch):
                raise ModelError(
                    f"{type(module).__name__} gives {len(part)} outputs for {len(batch)} rows"
                )
            parts.append(part.cpu().to(torch.float64).numpy())
    if not parts:
        return np.empty(0)
    joined = np.concatenate(parts)
    return cast("NDArray[np.float64]", joined[:, 0] if joined.shape[1:] == (1,) else joined)


def _like(module: nn.Module) -> torch.Tensor:
    """Return a tensor of the module's precision, on its device."""
    import torch

    own = (p for p in (*module.parameters(), *module.buffers()) if p.is_floating_point())
    return next(own, torch.empty(0, dtype=torch.float32))


def kind_of(layer: nn.Module) -> str:
    """Name of a layer's class if it is torch's own, else ""."""
    cls = type(layer)
    return cls.__name__ if cls.__module__.startswith("torch.nn.modules.") else ""


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
        outputs = call(module, np.zeros((1, n_columns)))
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


def _require_ready(module: nn.Module) -> None:
    """Refuse modules whose outputs depend on more than the row and the parameters."""
    from torch.nn.parameter import is_lazy

    name = type(module).__name__
    if any(is_lazy(parameter) for parameter in module.parameters()):
        raise ModelError(f"{name} is not initialised; call it once on rows of data first")
    for part in module.modules():
        if part.training and kind_of(part) not in STATELESS:
            raise ModelError(
                f"{name} is in training mode, in which {type(part).__name__} may change what it "
                "gives; call its eval() first"
            )
        if kind_of(part).startswith("BatchNorm") and part.running_mean is None:
            raise ModelError(
                f"{name} has {part}, which looks at the other rows of a batch; "
                "track_running_stats=True is needed"
            )


def _n_columns(module: nn.Module) -> int:
    """Columns that the first layer with parameters reads; a call on such a row confirms it."""
    sizes = {"BatchNorm1d": "num_features", "Linear": "in_features"}
    for part in module.modules():
        if kind_of(part) in sizes:
            return int(getattr(part, sizes[kind_of(part)]))
        if next(part.parameters(recurse=False), None) is not None:
            break
    raise ModelError(
        f"{type(module).__name__} does not say how many columns it reads: its first layer with "
        "parameters is no Linear or BatchNorm1d; import a function that calls it, with space="
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
