"""Terms of questions put together for the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sondage import _core
from sondage._constraints import limits
from sondage._constraints._asked import admitting
from sondage._decoding import DecodedOutputs
from sondage._evaluation import Evaluation
from sondage._lookups import Lookups
from sondage._probes import plan
from sondage.models._members import stack_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sondage._decoding import Decoding
    from sondage._probes import Outputs, Placed
    from sondage._question import Asked, Output, Term
    from sondage.space import Space

__all__ = ["Assembly"]

_Node: TypeAlias = tuple[int, int]


class Assembly:
    """What weighted terms ask of a row.

    Parameters
    ----------
    width : int
        Columns of the row; terms may be about some of them.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._lookups = Lookups(width)
        self._placed: list[Placed] = []
        self._number: dict[tuple[int, int], int] = {}
        self._terms: list[tuple[float, list[_Node], _core.Loss]] = []
        self._localizers: list[_core.Localizer] = []
        self._means: list[
            tuple[float, _core.Stack, NDArray[np.int64], int, _Node | None, _core.Loss]
        ] = []

    def add(self, terms: Iterable[tuple[float, Term]], space: Space, first: int = 0) -> None:
        """Add terms about a space, whose columns begin at column `first` of the row."""
        for weight, term in terms:
            if weight == 0.0:
                continue
            self.ask(
                ((weight * share, outputs, loss) for share, outputs, loss in term.losses()),
                space,
                first,
            )
            for mean in term.means():
                stack = stack_of(mean.ensemble)
                columns = mean.ensemble._columns_on(space, first, self._lookups)
                assert stack is not None
                second = None
                if mean.second is not None:
                    (second,) = self._nodes([mean.second], space, first)
                self._means.append((weight, stack, columns, mean.node, second, mean.loss))
            for near in term.localizers(weight, space):
                anchor, weights = np.zeros(self._width), np.zeros(self._width)
                anchor[first : first + len(near.anchor)] = near.anchor
                weights[first : first + len(near.anchor)] = near.column_weights
                self._localizers.append(_core.Localizer(near.weight, near.power, anchor, weights))

    def ask(self, losses: Iterable[Asked], space: Space, first: int) -> None:
        """Add weighted losses."""
        for weight, outputs, loss in losses:
            self._terms.append((weight, self._nodes(outputs, space, first), loss))

    def restrict(self, space: Space, first: int = 0) -> None:
        """Keep to the rows that the functions among a space's constraints admit."""
        predicates = limits(space).predicates
        self.ask((admitting(predicate, space) for predicate in predicates), space, first)

    def evaluation(
        self,
        sampled: Space,
        decoding: Decoding | None = None,
        decoded: Space | None = None,
        base: tuple[float, _core.Reference] | None = None,
    ) -> Evaluation:
        """Return G of rows of a space; with a base measure p at a temperature τ, G − τ log p.

        With a decoder these are latent rows, the terms are about ``[data columns, latent
        columns]``, and G is +∞ where the data row is outside the space `decoded`. Rows that are
        sampled meet the conditions of their space.
        """
        lower, upper = sampled._lower_upper()
        data = [] if decoded is None else limits(decoded).conditions
        energy = _core.Energy(
            lower=lower,
            upper=upper,
            models=[placed.graph for placed in self._placed],
            columns=[placed.columns for placed in self._placed],
            terms=self._terms,
            localizers=self._localizers,
            decoder=None if decoding is None else (decoding.graph, decoding.node),
            decoded=None if decoded is None else decoded._lower_upper(),
            means=self._means,
            kinds=sampled._kinds(),
            missing=sampled._missing(),
            lookups=self._lookups.tables,
            constraints=limits(sampled).conditions,
            decoded_constraints=data,
            reference=base,
        )
        return Evaluation(energy, self._outside(energy, decoding), decoding, base)

    def _outside(self, energy: _core.Energy, decoding: Decoding | None) -> Outputs | None:
        """Return what Python evaluates, in the order in which the core takes it."""
        probes = [
            self._placed[model].probes[node] for model, node in energy.foreign if model is not None
        ]
        calls = plan(probes, self._lookups.width) if probes else None
        if decoding is None or decoding.call is None:
            return calls
        return DecodedOutputs(decoding.call, decoding.name, calls, self._lookups)

    def _nodes(self, outputs: Iterable[Output], space: Space, first: int) -> list[_Node]:
        """Return outputs with numbers in place of models, each of which is placed once."""
        found = []
        for model, node in outputs:
            number = self._number.setdefault((id(model), first), len(self._placed))
            if number == len(self._placed):
                self._placed.append(model._place(space, first, self._lookups))
            found.append((number, node))
        return found
