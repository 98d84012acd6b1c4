"""XGBoost's trees as the core takes them.

XGBoost rounds a row to float32. A row goes left where ``x < threshold``, at a categorical split
where its category is not in the set; a missing value goes the way that the node says. A margin is
the base score under the objective's link, and to it one leaf after another, all in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sondage._core import parse_xgboost
from sondage.models._adapter import NotNative
from sondage.models._features import RawColumn
from sondage.models._regrow import Segments, place_of, regrow
from sondage.models._trees import Nodes, float32_cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Parsed", "margin_of"]

# Half the smallest float32: what rounds to 0.
_ROUNDS_TO_ZERO = 2.0**-150

LOGIT = ("binary:logistic", "reg:logistic")
LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


@dataclass(frozen=True)
class Parsed:
    """What a model's bytes say, as `sondage._core.parse_xgboost` reads them."""

    fields: dict[str, Any]

    @classmethod
    def of(cls, data: bytes) -> Parsed:
        """Read JSON or UBJSON; raises `ModelError`."""
        return cls(parse_xgboost(data))

    @property
    def objective(self) -> str:
        """Name of the objective, "binary:logistic"."""
        return str(self.fields["objective"])

    @property
    def version(self) -> str:
        """Version of XGBoost that wrote the model."""
        return ".".join(str(part) for part in self.fields["version"])

    @property
    def n_features(self) -> int:
        """Columns that the model reads."""
        return int(self.fields["n_features"])

    @property
    def n_outputs(self) -> int:
        """Numbers that a row's margin has."""
        return max(1, int(self.fields["n_classes"]), int(self.fields["n_targets"]))

    @property
    def several_targets(self) -> bool:
        """Whether it predicts several things at once, which is not several classes."""
        return int(self.fields["n_targets"]) > 1

    @property
    def feature_types(self) -> list[str] | None:
        """XGBoost's types of the columns, "c" for categories; None where it has none."""
        return list(self.fields["types"]) or None

    @property
    def columns(self) -> tuple[RawColumn, ...]:
        """The columns; with levels where the model stores its categories (from 3.1 on)."""
        n = self.n_features
        names = self.fields["names"] or [None] * n
        levels = self.fields["levels"] or [None] * n
        return tuple(
            RawColumn(name, None if own is None else tuple(own))
            for name, own in zip(names, levels, strict=True)
        )

    def base(self) -> NDArray[np.float64]:
        """Margins before the first tree, shape (outputs,).

        Raises
        ------
        NotNative
            If the base score has no finite margin.
        """
        if self.objective == "binary:logitraw" and self.fields["version"] < (1, 3, 0):
            raise NotNative(
                f"binary:logitraw of version {self.version}, which takes base_score for a "
                "probability as no later version does"
            )
        given = np.broadcast_to(self.fields["base_score"], (self.n_outputs,))
        with np.errstate(all="ignore"):
            if self.objective in LOGIT:
                odds = np.float32(1.0) / given - np.float32(1.0)
                # A double's logarithm, rounded, is the correctly rounded one that libm gives.
                margin = -np.log(odds.astype(np.float64)).astype(np.float32)
            elif self.objective in LOG:
                margin = np.log(given.astype(np.float64)).astype(np.float32)
            else:
                margin = given.astype(np.float32)
        if not np.isfinite(margin).all():
            raise NotNative(f"base_score={given.tolist()} has no finite margin")
        return margin.astype(np.float64)

    def n_trees(self, *, best: bool) -> int:
        """Trees that a prediction sums: up to the best iteration, or all."""
        starts, last = self.fields["iterations"], self.fields["best_iteration"]
        if not best or last is None:
            return int(starts[-1])
        return int(starts[min(int(last) + 1, len(starts) - 1)])


def margin_of(
    parsed: Parsed, *, best: bool, in_place: bool, missing: float, sparse: bool
) -> tuple[Nodes, NDArray[np.int64], NDArray[np.float64]]:
    """Trees, the output that each adds to, and the margins before the first.

    Parameters
    ----------
    parsed : Parsed
    best : bool
        Whether the trees after the best iteration are left out.
    in_place : bool
        Whether the library predicts without a DMatrix: it then rounds dart's leaves once more.
    missing : float
        The value that stands for a missing one, beside NaN.
    sparse : bool
        Whether rows come as a sparse matrix, in which zeros are missing.

    Raises
    ------
    NotNative
        Names the feature of the model that stands in the way.
    """
    fields = parsed.fields
    if fields["booster"] == "gblinear":
        raise NotNative(
            "booster='gblinear' is a linear model summed in float32, whose labels a float64 sum "
            "does not always give; scikit-learn's linear models are native"
        )
    if fields["leaf_width"] > 1:
        raise NotNative("multi_strategy='multi_output_tree' has trees with vectors at their leaves")
    base = parsed.base()
    n = parsed.n_trees(best=best)
    if n == 0:
        raise NotNative("it has no trees, and XGBoost settles base_score with the first")
    end = len(fields["feature"]) if n == len(fields["roots"]) else int(fields["roots"][n])
    left, right = fields["left"][:end], fields["right"][:end]
    leaf = left < 0
    threshold = fields["threshold"][:end]
    group = fields["group"][:n]
    value = np.where(leaf, threshold, np.float32(0.0))
    if fields["booster"] == "dart":
        value = _weighted(value, fields, group, base if in_place else None, n)
    sets = fields["set_index"][:end]
    starts, codes = fields["set_starts"], fields["set_codes"]
    numeric = ~leaf & (sets < 0)
    cut = np.zeros(end)
    cut[numeric] = below_cut(threshold[numeric])
    nodes = Nodes.of(
        roots=fields["roots"][:n],
        feature=fields["feature"][:end],
        cut=cut,
        left=left,
        right=right,
        value=value.astype(np.float64),
        missing_right=~leaf & ~fields["default_left"][:end],
        sets={
            int(i): codes[starts[sets[i]] : starts[sets[i] + 1]] for i in np.flatnonzero(sets >= 0)
        },
    )
    return _with_missing(nodes, missing, sparse), group, base


def below_cut(threshold: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cuts for a library that goes left where ``float32(x) < threshold``.

    >>> float(below_cut(np.array([1.0], dtype=np.float32))[0]) == 1.0 - 2.0**-25 - 2.0**-53
    True
    """
    below = np.nextafter(threshold.astype(np.float32), np.float32(-np.inf))
    return float32_cut(below.astype(np.float64))


def _weighted(
    value: NDArray[np.float32],
    fields: dict[str, Any],
    group: NDArray[np.int64],
    base: NDArray[np.float64] | None,
    n: int,
) -> NDArray[np.float32]:
    """Leaves of dart times the weights of their trees, in the library's own steps."""
    sizes = np.diff(np.append(fields["roots"][:n], len(value)))
    weight = np.repeat(fields["weight"][:n], sizes)
    if base is not None:
        start = np.repeat(base.astype(np.float32)[group], sizes)
        value = (value + start) - start
    return np.asarray(value * weight, dtype=np.float32)


def _with_missing(nodes: Nodes, missing: float, sparse: bool) -> Nodes:
    """Send values that stand for a missing one where missing ones go."""
    inner = nodes.left >= 0
    # Beyond float32 no row has it.
    own = abs(missing) <= float(np.finfo(np.float32).max)
    if not own and not sparse:
        return nodes
    if (nodes.set_index >= 0).any():
        how = "a sparse matrix" if sparse else f"missing={missing}"
        raise NotNative(f"categorical splits with {how}, where a category may count as missing")
    zero = own and np.float32(missing) == 0.0
    if zero or not own:
        limit = _ROUNDS_TO_ZERO if zero else 0.0
        return Nodes(**{**_arrays(nodes), "zero_missing": inner, "zero": limit})
    if sparse:
        raise NotNative(f"missing={missing} with a sparse matrix, where zeros are missing as well")
    return regrow(nodes, _segments(nodes, np.float32(missing)))


def _segments(nodes: Nodes, missing: np.float32) -> dict[int, Segments]:
    """Cut the raw line at every node that sends the float32 `missing` another way than NaN."""
    below, upto = (
        place_of(float(cut[0]))
        for cut in (below_cut(np.array([missing])), float32_cut(np.array([missing], np.float64)))
    )
    end = place_of(np.inf)
    found = {}
    for node in np.flatnonzero(nodes.left >= 0):
        cut, right = place_of(float(nodes.cut[node])), bool(nodes.missing_right[node])
        if right == (cut < upto):
            continue
        if right:
            ends, ways = (below, upto, cut, end), (False, True, False, True)
        else:
            ends, ways = (cut, below, upto, end), (False, True, False, True)
        found[int(node)] = Segments(ends, ways, right)
    return found


def _arrays(nodes: Nodes) -> dict[str, Any]:
    return {name: getattr(nodes, name) for name in Nodes.__dataclass_fields__}
