"""What ``sondage bench`` measures: a registry of named benchmarks and their results."""

from sondage.bench.registry import BENCHES, run
from sondage.bench.result import BenchResult, Evaluation, Measurement, ModelsResult

__all__ = ["BENCHES", "BenchResult", "Evaluation", "Measurement", "ModelsResult", "run"]
