"""The wine question: where a forest is most uncertain while a tree is certain.

A random forest and a decision tree are trained on scikit-learn's wine data, scaled to the unit box.
The question is ``G(x) = Σ_k p_k log p_k (forest) + (p_1(tree) − 1)²`` at temperature 1/50: inputs
on which the forest hesitates between all three classes although the tree is sure of class_1.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sondage.ask import ask
from sondage.errors import MissingDependencyError
from sondage.models import as_model
from sondage.questions import Question, fixed_label, prediction_risky
from sondage.report import Section
from sondage.space import Continuous, Space

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    from sondage.answer import Answer

__all__ = ["CLASSES", "TEMPERATURE", "DemoResult", "WineProblem", "run", "wine_problem"]

CLASSES: Final = ("class_0", "class_1", "class_2")
TEMPERATURE: Final = 1 / 50
SEED: Final = 52


@dataclass(frozen=True, slots=True)
class WineProblem:
    """The data, the two trained models and the question about them.

    Parameters
    ----------
    forest, tree : scikit-learn estimators
        Fitted on 90 % of the scaled rows.
    accuracy_forest, accuracy_tree : float
        Share of the other 10 % that each predicts correctly.
    data : polars.DataFrame
        All 178 rows, scaled to [0, 1] column by column.
    labels : array of int, shape (178,)
    low, width : array, shape (13,)
        Real value = low + width × scaled value.
    space : Space
        The unit box with the wine's column names.
    question : Question
    """

    forest: RandomForestClassifier
    tree: DecisionTreeClassifier
    accuracy_forest: float
    accuracy_tree: float
    data: pl.DataFrame
    labels: NDArray[np.int64]
    low: NDArray[np.float64]
    width: NDArray[np.float64]
    space: Space
    question: Question

    def real(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give scaled rows (n, 13) in the units of the wine data."""
        return self.low + self.width * scaled


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found.

    Parameters
    ----------
    problem : WineProblem
    answer : Answer
    table : polars.DataFrame
        A row per column: mean and standard deviation of the answer, means of the three classes, all
        in real units; then R-hat and bulk ESS.
    forest_probabilities : tuple of float
        The forest's mean class probabilities over the draws.
    tree_share : float
        Share of the draws that the tree calls class_1.
    report : Path
        The HTML report.
    seconds : float
        Wall-clock time of everything, training included.
    """

    problem: WineProblem
    answer: Answer
    table: pl.DataFrame
    forest_probabilities: tuple[float, ...]
    tree_share: float
    report: Path
    seconds: float


def wine_problem() -> WineProblem:
    """Train the two models of the wine question and ask it.

    Raises
    ------
    MissingDependencyError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_wine
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import MinMaxScaler
        from sklearn.tree import DecisionTreeClassifier
    except ImportError as error:
        raise MissingDependencyError(
            "the wine question needs scikit-learn: pip install 'sondage[demo]'"
        ) from error
    wine = load_wine()
    scaler = MinMaxScaler().fit(wine.data)
    scaled = np.clip(scaler.transform(wine.data), 0.0, 1.0)
    train, test, train_labels, test_labels = train_test_split(
        scaled, wine.target, test_size=0.1, random_state=52
    )
    forest = RandomForestClassifier(
        n_estimators=100,
        max_depth=3,
        min_samples_leaf=10,
        min_samples_split=40,
        max_features="sqrt",
        random_state=641,
    ).fit(train, train_labels)
    tree = DecisionTreeClassifier(min_samples_split=20, min_samples_leaf=5, random_state=0).fit(
        train, train_labels
    )
    names = list(wine.feature_names)
    return WineProblem(
        forest=forest,
        tree=tree,
        accuracy_forest=float(forest.score(test, test_labels)),
        accuracy_tree=float(tree.score(test, test_labels)),
        data=pl.DataFrame(scaled, schema=names),
        labels=wine.target,
        low=scaler.data_min_,
        width=scaler.data_range_,
        space=Space({name: Continuous(0.0, 1.0) for name in names}),
        question=prediction_risky(
            as_model(forest, classes=CLASSES, name="random forest"), entropy=True
        )
        + fixed_label(
            as_model(tree, classes=CLASSES, name="decision tree"), "class_1", loss="squared"
        ),
    )


def run(
    out: Path,
    *,
    draws: int = 2000,
    chains: int = 8,
    thin: int = 10,
    seed: int = SEED,
    threads: int | None = None,
) -> DemoResult:
    """Ask the wine question and write the HTML report.

    Parameters
    ----------
    out : Path
        Folder for ``wine.html``; made if it does not exist.
    draws, chains, thin : int
        Kept draws per chain, chains, and steps per kept draw.
    seed : int
    threads : int, optional
        None uses all processors. The draws do not depend on it.

    Returns
    -------
    DemoResult

    Raises
    ------
    MissingDependencyError
        If a package of the ``demo`` extra is not installed.
    """
    start = perf_counter()
    problem = wine_problem()
    answer = ask(
        problem.question,
        problem.space,
        draws=draws,
        chains=chains,
        temperature=TEMPERATURE,
        thin=thin,
        seed=seed,
        threads=threads,
    )
    rows = answer.draws.reshape(-1, len(problem.space.columns))
    forest_probabilities = tuple(float(p) for p in problem.forest.predict_proba(rows).mean(axis=0))
    tree_share = float(np.mean(problem.tree.predict(rows) == 1))
    table = _table(problem, answer, rows)
    out.mkdir(parents=True, exist_ok=True)
    report = out / "wine.html"
    answer.report(
        report,
        reference=problem.data,
        title="Where is the forest uncertain while the tree is certain of class_1?",
        sections=[
            Section(
                title="The answer beside the three classes, in real units",
                text=(
                    f"Test accuracy: forest {100 * problem.accuracy_forest:.2f} %, "
                    f"tree {100 * problem.accuracy_tree:.2f} %. "
                    "The forest's mean class probabilities over the draws are "
                    + ", ".join(f"{p:.3f}" for p in forest_probabilities)
                    + f"; the tree calls {tree_share:.1%} of the draws class_1."
                ),
                table=table,
            )
        ],
    )
    return DemoResult(
        problem=problem,
        answer=answer,
        table=table,
        forest_probabilities=forest_probabilities,
        tree_share=tree_share,
        report=report,
        seconds=perf_counter() - start,
    )


def _table(problem: WineProblem, answer: Answer, rows: NDArray[np.float64]) -> pl.DataFrame:
    real = problem.real(rows)
    data = problem.real(problem.data.to_numpy())
    means = {name: data[problem.labels == label].mean(axis=0) for label, name in enumerate(CLASSES)}
    summary = answer.summary().filter(pl.col("column").is_in(problem.space.columns))
    return pl.DataFrame(
        {
            "column": problem.space.columns,
            "answer": real.mean(axis=0),
            "sd": real.std(axis=0),
            **means,
            "rhat": summary["rhat"],
            "ess_bulk": summary["ess_bulk"],
        }
    )
