"""What ``sondage bench`` measures: a registry of named benchmarks and their results."""

from sondage.bench.registry import BENCHES, run
from sondage.bench.result import BenchResult, Measurement

__all__ = ["BENCHES", "BenchResult", "Measurement", "run"]
