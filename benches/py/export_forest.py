"""Write the wine question's forest and tree as plain numbers, for the Rust benches.

python benches/py/export_forest.py > benches/data/wine.txt

One line per array: its name, then its values. `forest.` and `tree.` are the two models.
"""

from __future__ import annotations

import numpy as np

from sondage.demo import wine_problem

ARRAYS = ["roots", "feature", "cut", "left", "right", "value", "first_output", "base"]


def main() -> None:
    """Print both models, one array a line."""
    for name, model in zip(["forest", "tree"], wine_problem().question.models, strict=True):
        _, ensemble = model._graph().operations[1]
        _, arguments = ensemble.__getnewargs_ex__()
        for key in ["n_features", "n_outputs", "divisor"]:
            print(f"{name}.{key} {arguments[key]}")
        for key in ARRAYS:
            values = np.ravel(arguments[key])
            print(f"{name}.{key}", *(repr(v.item()) for v in values))


if __name__ == "__main__":
    main()
