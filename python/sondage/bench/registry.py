"""The benchmarks by name, and the one door to them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sondage import _core
from sondage.bench import models, wine
from sondage.errors import SondageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sondage.bench.result import BenchResult, ModelsResult

__all__ = ["BENCHES", "require_release", "run"]

BENCHES: Mapping[str, Callable[[], BenchResult | ModelsResult]] = MappingProxyType(
    {"wine": wine.run, "models": models.run}
)


def require_release(build: Mapping[str, str]) -> None:
    """Refuse a build that is not optimised.

    Raises
    ------
    SondageError
        If the extension module was not built with the release profile.

    >>> require_release({"profile": "release"})
    >>> require_release({"profile": "debug"})
    Traceback (most recent call last):
    ...
    sondage.errors.SondageError: this is a debug build: ...
    """
    profile = build["profile"]
    if profile != "release":
        raise SondageError(
            f"this is a {profile} build: its times mean nothing; "
            "install with `pip install .` or `maturin develop --release` and try again"
        )


def run(name: str) -> BenchResult | ModelsResult:
    """Run one benchmark in this process.

    Parameters
    ----------
    name : str
        A key of ``BENCHES``.

    Raises
    ------
    SondageError
        If there is no such benchmark, or if this is a debug build.
    """
    if name not in BENCHES:
        raise SondageError(f"no benchmark {name!r}; there is {', '.join(sorted(BENCHES))}")
    require_release(_core.build_info())
    return BENCHES[name]()
