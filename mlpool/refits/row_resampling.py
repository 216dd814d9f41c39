"""A design's rows taken again, some of them several times: what a case bootstrap fits to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix, FactorPart, NumberPart
from mlpool.formula.random_terms import RandomDesign
from mlpool.frames import Column, Frame, HeldFrame
from mlpool.inference.sandwich.mixed import splits_levels
from mlpool.typing import IntArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike


def take_rows(design: Design, rows: IntArray, copies: IntArray, clusters: IntArray) -> Design:
    """Return the design of resampled rows.

    A grouping factor that lies within the clusters has its levels made anew in every copy of a
    cluster: two copies of a school are two schools. Others (crossed ones) keep their levels.

    Parameters
    ----------
    design : Design
    rows : ndarray of int (m,)
    copies : ndarray of int (m,)
        Which draw each row came with.
    clusters : ndarray of int (n,)
        The cluster of every row of `design`.
    """
    made: dict[str, tuple[IntArray, tuple[str, ...]]] = {}
    for random in design.random:
        if random.group not in made:
            made[random.group] = _levels(random, rows, copies, clusters)
    return replace(
        design,
        y=design.y[rows],
        trials=None if design.trials is None else design.trials[rows],
        X=_take(design.X, rows),
        random=tuple(
            replace(
                r, codes=made[r.group][0], levels=made[r.group][1], z=_take(r.z, rows), parts=()
            )
            for r in design.random
        ),
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        cluster=(),
        index=pd.RangeIndex(len(rows)),
        kept=None,
        n_read=len(rows),
        frame=TakenFrame(design.frame),
    )


class TakenFrame(HeldFrame):
    """The data of a resample: there are none, since copies of a cluster have levels of their own.

    Without it, verbs that fit again would answer for the rows before they were resampled.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.native, frame.held)

    def column(self, name: str, *, used_as: str = "") -> Column:
        """Refuse any column.

        Raises
        ------
        NotSupportedError
            Always.
        """
        raise NotSupportedError(
            "A resample of rows or clusters has no data frame, which verbs that fit again (ranova, "
            'drop1, update ...) need; use a parametric bootstrap, type="parametric".'
        )


def _levels(
    random: RandomDesign, rows: IntArray, copies: IntArray, clusters: IntArray
) -> tuple[IntArray, tuple[str, ...]]:
    own = np.asarray(random.codes)[rows].astype(np.int64)
    is_within = not splits_levels(clusters, np.asarray(random.codes))
    key = own + copies.astype(np.int64) * len(random.levels) if is_within else own
    found, codes = np.unique(key, return_inverse=True)
    if is_within:
        names = tuple(
            f"{random.levels[k % len(random.levels)]}#{k // len(random.levels) + 1}"
            for k in found.tolist()
        )
    else:
        names = tuple(random.levels[k] for k in found.tolist())
    return codes, names


def _take(X: DesignMatrix, rows: IntArray) -> DesignMatrix:
    terms = tuple(tuple(_take_part(part, rows) for part in parts) for parts in X.terms)
    return replace(X, n=len(rows), terms=terms)


def _take_part(part: NumberPart | FactorPart, rows: IntArray) -> NumberPart | FactorPart:
    if isinstance(part, NumberPart):
        return NumberPart(tuple(np.asarray(array)[rows] for array in part.arrays))
    return replace(part, codes=part.codes[rows])


class Clusters:
    """The clusters that a case bootstrap resamples.

    Attributes
    ----------
    codes : ndarray of int (n,)
    name : str
        A column, a grouping factor, ``cluster`` for an array; empty for single rows.
    n_clusters : int
    """

    def __init__(self, codes: IntArray, name: str) -> None:
        self.codes, self.name = np.asarray(codes), name
        self.n_clusters = int(self.codes.max()) + 1
        self._order = np.argsort(self.codes, kind="stable")
        self._ends = np.cumsum(np.bincount(self.codes, minlength=self.n_clusters))

    @classmethod
    def of(cls, m: FittedModel, cluster: ClusterLike | None) -> Clusters:
        """Return the clusters asked for; by default the outermost grouping factor, or rows.

        Raises
        ------
        OptionError
            If there are fewer than two, or crossed grouping factors leave the choice open.
        """
        found = cls(*_find(m, cluster))
        if found.n_clusters < 2:
            raise OptionError(
                f"a bootstrap of clusters needs two or more; {found.name} has {found.n_clusters}."
            )
        return found

    def rows(self, picked: IntArray) -> tuple[IntArray, IntArray]:
        """Return the rows of the clusters picked, and the draw each came with."""
        starts = np.concatenate([[0], self._ends[:-1]])
        parts = [self._order[starts[j] : self._ends[j]] for j in picked]
        sizes = [len(part) for part in parts]
        return np.concatenate(parts), np.repeat(np.arange(len(picked)), sizes)


def _find(m: FittedModel, cluster: ClusterLike | None) -> tuple[IntArray, str]:
    """Return codes and the name of the clusters."""
    design = m.design
    if cluster is None and m.vcov_choice is not None and len(m.vcov_choice.clusters) == 1:
        return m.vcov_choice.clusters[0], m.vcov_choice.cluster_names[0]
    if cluster is None and not design.random:
        return np.arange(design.n), ""
    if cluster is None:
        outer = min(design.random, key=lambda r: len(r.levels))
        for random in design.random:
            if splits_levels(np.asarray(outer.codes), np.asarray(random.codes)):
                raise OptionError(
                    f"The grouping factors {brief(random.group)} and {brief(outer.group)} "
                    "are crossed: say "
                    f"which clusters are resampled, cluster={brief(outer.group)}; the other "
                    "factor's "
                    "levels then stay as they are."
                )
        return np.asarray(outer.codes), str(outer.group)
    for random in design.random:
        if isinstance(cluster, str) and cluster == random.group:
            return np.asarray(random.codes), cluster
    codes, _ = design.codes(cluster)
    return np.asarray(codes), cluster if isinstance(cluster, str) else "cluster"
