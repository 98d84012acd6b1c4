"""Decoders that the core evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from sondage._core import Graph
from sondage._decoding import Decoding
from sondage.columns import Continuous, Fixed
from sondage.decoders._base import Decoder, require_pinned
from sondage.errors import QuestionError
from sondage.frames import listed, plain
from sondage.models._graph import GraphBuilder
from sondage.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Affine", "BoxSigmoid", "Embedding"]

_Floats: TypeAlias = "NDArray[np.float64]"

#: Half the width of the default latent box of `BoxSigmoid`: what it leaves out of each column is
#: 2 e^-20 of its width, 4e-9.
REACH = 20.0


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Affine(Decoder):
    """The map x = matrix · z + shift.

    Its latent rows lie, unless ``latent=`` says otherwise, in the smallest box that holds the
    pre-image of the data's box.

    Parameters
    ----------
    matrix : array of shape (columns, latent columns)
    shift : number or array of shape (columns,)

    Raises
    ------
    QuestionError
        If the shapes do not fit together or a number is not finite.

    >>> Affine([[1.0, 0.0], [1.0, 2.0]], 3.0)
    decoders.Affine([[1.0, 0.0], [1.0, 2.0]], 3.0)
    """

    matrix: tuple[tuple[float, ...], ...]
    shift: tuple[float, ...]

    def __init__(self, matrix: ArrayLike, shift: ArrayLike = 0.0) -> None:
        try:
            weights = np.array(matrix, dtype=np.float64)
            offset = np.array(shift, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise QuestionError(f"matrix and shift must be arrays of numbers: {error}") from None
        if weights.ndim != 2 or 0 in weights.shape or offset.shape not in ((), weights.shape[:1]):
            raise QuestionError(
                f"matrix has shape {weights.shape} and shift {offset.shape}; (columns, latent "
                "columns) and (columns,) are needed"
            )
        if not (np.isfinite(weights).all() and np.isfinite(offset).all()):
            raise QuestionError("matrix and shift must be finite")
        offset = np.broadcast_to(offset, weights.shape[:1])
        object.__setattr__(self, "matrix", tuple(map(tuple, weights.tolist())))
        object.__setattr__(self, "shift", tuple(offset.tolist()))

    def latent(self, space: Space) -> Space:
        """Return the box of the pre-image of the space's box."""
        matrix, shift = np.array(self.matrix), np.array(self.shift)
        lower, upper = space._lower_upper()
        n = matrix.shape[1]
        if len(matrix) != len(lower) or np.linalg.matrix_rank(matrix) < n:
            return super(Affine, self).latent(space)
        inverse = np.linalg.pinv(matrix)
        middle = inverse @ (0.5 * (lower + upper) - shift)
        half = np.abs(inverse) @ (0.5 * (upper - lower))
        # A little more than rounding, so that the bounds of the data are what binds.
        half = half * (1.0 + 1e-9) + 1e-9 * np.abs(middle) + 1e-300
        return Space(
            {
                f"z{j}": Continuous(float(middle[j] - half[j]), float(middle[j] + half[j]))
                for j in range(n)
            }
        )

    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map; see `Decoder.place`."""
        matrix = np.array(self.matrix)
        if len(matrix) != len(space.columns):
            raise QuestionError(
                f"the affine map gives {len(matrix)} columns; the space has {len(space.columns)}: "
                f"{listed(space.columns)}"
            )
        require_pinned({}, space)
        n = len(latent.columns)
        if n != matrix.shape[1]:
            raise QuestionError(
                f"the affine map reads {matrix.shape[1]} latent columns; the latent space has {n}: "
                f"{listed(latent.columns)}"
            )
        builder = GraphBuilder(n)
        node = builder.linear(builder.row, matrix, self.shift)
        return Decoding(Graph(n, builder.operations), node)

    def words(self) -> str:
        """Say what it is."""
        return "by an affine map"

    def __repr__(self) -> str:
        matrix = [list(row) for row in self.matrix]
        shift = self.shift[0] if len(set(self.shift)) == 1 else list(self.shift)
        return f"decoders.Affine({matrix!r}, {shift!r})"


@dataclass(frozen=True, slots=True)
class BoxSigmoid(Decoder):
    """The map x = l + (u − l) / (1 + e^−z) onto the box of a space, column by column.

    Fixed columns of the space have no latent column. Latent rows lie, unless ``latent=`` says
    otherwise, in [−20, 20], which leaves 4e-9 of each column's width out.

    Parameters
    ----------
    space : Space
        Of the data.
    jacobian : bool
        Whether the sampled density takes log|det ∂φ| into account, so that the answer has the
        density p(x) ∝ exp(−G(x)/τ) in the columns of the data. False, as in the papers: the density
        is exp(−G(φ(z))/τ) in the latent columns, and rows pile up at the corners of the box.
    """

    space: Space
    jacobian: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.space, Space):
            raise QuestionError(f"space is {type(self.space).__name__}; a sondage.Space is needed")
        if not isinstance(self.jacobian, bool):
            raise QuestionError(f"jacobian={self.jacobian!r} must be True or False")
        self.space._require_continuous("BoxSigmoid")

    def latent(self, space: Space) -> Space:  # noqa: ARG002
        """Return [−20, 20] for each free column."""
        return Space({f"z_{name}": Continuous(-REACH, REACH) for name in self.space.free})

    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map; see `Decoder.place`."""
        own, free, n = self.space, self.space.free, len(latent.columns)
        if sorted(own.columns) != sorted(space.columns):
            raise QuestionError(
                f"BoxSigmoid is about the columns {listed(own.columns)}; the space has "
                f"{listed(space.columns)}"
            )
        if n != len(free):
            raise QuestionError(
                f"BoxSigmoid has {len(free)} free columns ({listed(free)}); the latent space has "
                f"{n}"
            )
        pinned = {
            name: float(cast("float", kind.value))
            for name, kind in own.kinds.items()
            if isinstance(kind, Fixed)
        }
        require_pinned(pinned, space)
        builder = GraphBuilder(n)
        lower, upper = own._lower_upper()
        moves = lower < upper
        lower, width = lower[moves], (upper - lower)[moves]
        node = builder.affine(builder.activation(builder.row, "logistic"), width, lower)
        node = _spread(builder, node, free, pinned, space)
        log_det = self._log_det(builder, width) if self.jacobian else None
        return Decoding(Graph(n, builder.operations), node, log_det)

    def _log_det(self, builder: GraphBuilder, width: _Floats) -> int:
        """Add up ln(u − l) + ln s(z) + ln s(−z) over the columns."""
        above = builder.activation(builder.row, "softplus")
        below = builder.activation(builder.affine(builder.row, -1.0), "softplus")
        weights = np.full((1, 2 * len(width)), -1.0)
        return builder.linear(builder.concat([above, below]), weights, float(np.log(width).sum()))

    def words(self) -> str:
        """Say what it is."""
        volume = "" if self.jacobian else ", without its Jacobian"
        return f"by a sigmoid onto the box of the columns{volume}"

    def __repr__(self) -> str:
        jacobian = "" if self.jacobian else ", jacobian=False"
        return f"decoders.BoxSigmoid({self.space!r}{jacobian})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Embedding(Decoder):
    """The map that puts fixed values beside the latent columns.

    Its latent rows are, unless ``latent=`` says otherwise, the other columns of the data's space.

    Parameters
    ----------
    fixed : mapping from str to number

    >>> Embedding({"sex": 1.0})
    decoders.Embedding({'sex': 1.0})
    """

    fixed: tuple[tuple[str, float], ...]

    def __init__(self, fixed: Mapping[str, float]) -> None:
        try:
            given = dict(fixed)
        except (TypeError, ValueError):
            given = {}
        if not given:
            raise QuestionError("Embedding needs a mapping from columns to fixed values")
        pairs = []
        for name, value in given.items():
            number = plain(value)
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise QuestionError(f"column {name!r} is fixed at {value!r}; a number is needed")
            if not np.isfinite(number):
                raise QuestionError(f"column {name!r} is fixed at {number}; it must be finite")
            pairs.append((name, float(number)))
        object.__setattr__(self, "fixed", tuple(pairs))

    def latent(self, space: Space) -> Space:
        """Return the space of the other columns."""
        fixed = dict(self.fixed)
        kinds = {name: kind for name, kind in space.kinds.items() if name not in fixed}
        if not kinds:
            raise QuestionError(f"{self!r} leaves no column of the space free")
        return Space(kinds)

    def place(self, latent: Space, space: Space) -> Decoding:
        """Return the map; see `Decoder.place`."""
        fixed = dict(self.fixed)
        unknown = [name for name in fixed if name not in space.columns]
        if unknown:
            raise QuestionError(
                f"{self!r} fixes {listed(unknown)}; the columns are {listed(space.columns)}"
            )
        others = [name for name in space.columns if name not in fixed]
        if len(latent.columns) != len(others):
            raise QuestionError(
                f"{self!r} leaves {len(others)} columns ({listed(others)}); the latent space has "
                f"{len(latent.columns)}"
            )
        same = {
            name: kind.value
            for name, kind in zip(others, latent.kinds.values(), strict=True)
            if isinstance(kind, Fixed)
        }
        require_pinned({**same, **fixed}, space)
        builder = GraphBuilder(len(others))
        node = _spread(builder, builder.row, others, fixed, space)
        return Decoding(Graph(len(others), builder.operations), node)

    def words(self) -> str:
        """Say what it is."""
        values = ", ".join(f"{name} = {value:.10g}" for name, value in self.fixed)
        return f"by putting {values} beside them"

    def __repr__(self) -> str:
        return f"decoders.Embedding({dict(self.fixed)!r})"


def _spread(
    builder: GraphBuilder, node: int, free: list[str], fixed: Mapping[str, float], space: Space
) -> int:
    """Put entries of a node, for the columns `free`, beside fixed ones in the space's order."""
    if free == space.columns:
        return node
    place = {name: j for j, name in enumerate(free)}
    node = builder.pick(node, [place.get(name, -1) for name in space.columns])
    if not fixed:
        return node
    return builder.affine(node, 1.0, [fixed.get(name, 0.0) for name in space.columns])
