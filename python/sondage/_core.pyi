from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Drift",
    "Energy",
    "Kernel",
    "Localizer",
    "Loss",
    "Run",
    "TreeEnsemble",
    "build_info",
]

def build_info() -> dict[str, str]: ...

@final
class TreeEnsemble:
    def __new__(
        cls,
        *,
        n_features: int,
        n_outputs: int,
        roots: NDArray[np.int64],
        feature: NDArray[np.int64],
        cut: NDArray[np.float64],
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        value: NDArray[np.float64],
        first_output: NDArray[np.int64],
        base: NDArray[np.float64],
        divisor: float,
    ) -> Self: ...
    def forward(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def forward_reference(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_trees(self) -> int: ...
    @property
    def n_leaves_max(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Loss:
    @staticmethod
    def cross_entropy(label: int) -> Loss: ...
    @staticmethod
    def hinge(label: int) -> Loss: ...
    @staticmethod
    def squared(label: int, scale: float) -> Loss: ...
    @staticmethod
    def band(lower: float, upper: float, scale: float) -> Loss: ...
    @staticmethod
    def level(output: int, level: float, power: float) -> Loss: ...
    @staticmethod
    def negative_entropy() -> Loss: ...
    @staticmethod
    def require_label(label: int) -> Loss: ...
    @staticmethod
    def require_band(lower: float, upper: float) -> Loss: ...

@final
class Localizer:
    def __new__(
        cls,
        weight: float,
        power: int,
        anchor: NDArray[np.float64],
        column_weights: NDArray[np.float64],
    ) -> Self: ...

@final
class Energy:
    def __new__(
        cls,
        *,
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        models: list[TreeEnsemble],
        columns: list[NDArray[np.int64]],
        terms: list[tuple[float, int, Loss]],
        localizers: list[Localizer],
    ) -> Self: ...
    def evaluate(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def gradient(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...
    @property
    def stepwise(self) -> bool: ...
    @property
    def differentiable(self) -> bool: ...

@final
class Drift:
    @staticmethod
    def gradient() -> Drift: ...
    @staticmethod
    def closed_form(sigma: float | None = None) -> Drift: ...
    @staticmethod
    def smoothed(sigma: float | None, directions: int, noise: str) -> Drift: ...

@final
class Kernel:
    @staticmethod
    def random_walk(scale: float | None = None) -> Kernel: ...
    @staticmethod
    def mala(step: float | None, drift: Drift, precondition: bool) -> Kernel: ...
    @staticmethod
    def conditional() -> Kernel: ...
    @staticmethod
    def mixture(kernels: list[Kernel], weights: list[float]) -> Kernel: ...
    @staticmethod
    def cycle(kernels: list[Kernel], repeats: list[int]) -> Kernel: ...

@final
class Run:
    def __new__(
        cls,
        energy: Energy,
        kernel: Kernel,
        *,
        key: bytes,
        chains: int,
        temperature: float,
        warmup: int,
        draws: int,
        thin: int,
        boundary: str,
        threads: int,
        start: NDArray[np.float64] | None,
    ) -> Self: ...
    def advance(self, seconds: float) -> bool: ...
    def progress(self) -> tuple[int, int, int]: ...
    def finish(self) -> dict[str, Any]: ...
