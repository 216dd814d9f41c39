"""The sums of crossed factors for the iterative solver: the largest factor, and a sparse core."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from mlpool.engine.factorization.blocks import Structure
from mlpool.engine.factorization.sparse_core import SparseCore
from mlpool.engine.lmm.iterative.elimination import IterativePass
from mlpool.engine.lmm.several_factors_sums import SeveralParts
from mlpool.engine.sums.cross_sums import GroupingFactor, grouping_factors
from mlpool.engine.types import Control, LmmData
from mlpool.typing import FloatArray

FIRST_PROBES = 8
"""Probes of the first search, which only comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IterativeParts(SeveralParts):
    """Everything that does not depend on theta, and the probes.

    Attributes
    ----------
    sparse : SparseCore
    seed, probes : int
    """

    sparse: SparseCore
    seed: int
    probes: int

    @classmethod
    def of_data(cls, data: LmmData, control: Control) -> IterativeParts:
        """Make the sums and lay them out with one factor to eliminate."""
        factors = grouping_factors(data)
        made, _ = SeveralParts.of_structure(data, factors, one_first(factors), control, None)
        given = {f.name: getattr(made, f.name) for f in fields(SeveralParts)}
        return cls(**given, sparse=SparseCore(made.blocks), seed=control.seed, probes=FIRST_PROBES)

    @property
    def has_exact_curvature(self) -> bool:
        """No: the average information serves small models, too."""
        return False

    def eliminate(self, lambdas: tuple[FloatArray, ...]) -> IterativePass:
        """Eliminate at Lambda of every factor, in the order of elimination."""
        return IterativePass(self.blocks, self.sparse, lambdas, seed=self.seed, probes=self.probes)

    def with_probes(self, probes: int) -> IterativeParts:
        """Return the same with another number of probes; those of before stay among them."""
        return replace(self, probes=probes)


def one_first(factors: tuple[GroupingFactor, ...]) -> Structure:
    """Return the structure that eliminates the factor with most random effects."""
    order = sorted(range(len(factors)), key=lambda i: (-factors[i].n_effects, i))
    return Structure(chain=(order[0],), core=tuple(order[1:]), parents={})
