"""`PushedDesign`: what a model knows of rows that are elsewhere, and what it can ask of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import narwhals as nw
import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.cross_sums import FactorSums
from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.formula.design import Design
from mlpool.sources.absent_rows import NOT_SAVED, absent_rows, refuse_rows
from mlpool.sources.clusters.effects import ScannedClusters
from mlpool.sources.language.pushed_values import Pushed, PushedLabels
from mlpool.sources.language.variables import key_of, kind_of
from mlpool.sources.queries import collected, distinct, engines_in_a_sentence, totals
from mlpool.sources.scan import Scan
from mlpool.sources.sums import PushedRows, with_clusters
from mlpool.sources.survey import Survey
from mlpool.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PushedDesign(Design):
    """The design of a model whose rows are elsewhere.

    Attributes
    ----------
    sums : CrossProducts
        Of all rows, and per cluster where the model has clusters.
    factor_sums : FactorSums or None
        Per level and per pair of levels, where there are several grouping factors.
    kept_columns : ndarray of int
        Columns of X that are estimated.
    scan : Scan or None
        What was handed over.
    rows : PushedRows or None
        Where further queries go; None once the model left the session that fitted it.
    survey : Survey or None
    values : dict
        The formula's expressions on these rows.
    clusters : ScannedClusters or None
        Those of a random intercept that were added up by size.
    """

    sums: CrossProducts
    kept_columns: IntArray
    factor_sums: FactorSums | None = None
    scan: Scan | None = None
    rows: PushedRows | None = None
    survey: Survey | None = None
    values: dict[str, Pushed]
    clusters: ScannedClusters | None = None

    def __reduce__(
        self,
    ) -> tuple[Callable[[dict[str, object]], PushedDesign], tuple[dict[str, object]]]:
        """Leave behind what only this session can ask: connections do not travel."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return _without_connection, (
            {**kept, "scan": None, "rows": None, "survey": None, "values": {}, "clusters": None},
        )

    @property
    def has_constant_response(self) -> bool:
        """Whether every response is the same."""
        assert self.survey is not None
        (y,) = self.survey.moments[self.response_name]
        return y.low == y.high

    @property
    def response_summary(self) -> tuple[float, ...]:
        """Number, mean, SD and range of the response, by which it is recognised."""
        if self.survey is None:
            refuse_rows(NOT_SAVED)
        (y,) = self.survey.moments[self.response_name]
        return (float(self.n), y.mean, y.sd, y.low, y.high)

    @property
    def response(self) -> nw.Expr:
        """The response on the model's own rows."""
        return number_of(self.values[self.response_name])

    @property
    def prior_weights(self) -> nw.Expr | None:
        """The prior weights on the model's own rows."""
        return None if self.rows is None else self.rows.weights

    @engines_in_a_sentence()
    def unweighted_total(self) -> FloatArray:
        """Return the sums of products (k, k) of all columns, about their centres."""
        if not self.sums.has_weights:
            return self.sums.total
        if self.rows is None:
            refuse_rows(NOT_SAVED)
        return self.rows.total(self.sums.layout, weighted=False)

    @engines_in_a_sentence()
    def combinations_of(self, texts: Sequence[str], most: int) -> IntArray:
        """Return the combinations (m, f) of the levels of factors that the rows used have.

        Raises
        ------
        NotSupportedError
            If there are more than `most`.
        """
        if self.survey is None:
            refuse_rows(NOT_SAVED)
        if not texts:
            return np.zeros((1, 0), dtype=np.int64)
        names = [f"f{i}" for i in range(len(texts))]
        places = [number_of(self.values[t]).alias(f) for t, f in zip(texts, names, strict=True)]
        found = collected(distinct(self.survey.used.select(*places), names).head(most + 1))
        if len(found) > most:
            raise NotSupportedError(f"The factors have more than {most:,} combinations of levels.")
        columns = [found[name].to_list() for name in names]
        return np.array(columns, dtype=np.int64).T

    @engines_in_a_sentence()
    def clustered(self, way: str, *, whole: bool) -> CrossProducts:
        """Return the sums of every cluster of a column, by a query.

        Parameters
        ----------
        way : str
            A column, or the grouping factor.
        whole : bool
            Products of all pairs of columns, else with the response only.
        """
        if self.rows is None or self.scan is None:
            refuse_rows(NOT_SAVED)
        layout = self.sums.layout
        outer = tuple(range(layout.k)) if whole else (0, layout.y)
        keys = {c: key_of(self.scan, c) for c in self._key_columns(way)}
        groups = self.rows.by_cluster(layout, keys, outer)
        J = len(groups.values["rows"])
        return with_clusters(self.sums, outer, groups, (np.arange(J), J))

    def _key_columns(self, way: str) -> list[str]:
        for random in self.random:
            if way == random.group:
                return list(dict.fromkeys(c for e in random.bar.group for c in e.columns))
        return [way]

    @engines_in_a_sentence()
    def clusters_of(self, way: object) -> tuple[IntArray, tuple[str, ...]]:
        """Return codes that nobody can read, and one entry per cluster of a column.

        Raises
        ------
        OptionError
            For clusters that are no column.
        ColumnNotFoundError
            For a name that is none.
        DataError
            If the column is missing in rows that were used.
        """
        if not isinstance(way, str):
            raise OptionError(
                "cluster must name a column: scanned rows have no order that "
                f"{brief(way)} could follow."
            )
        if self.scan is None or self.survey is None:
            refuse_rows(NOT_SAVED)
        kind_of(self.scan, way, used_as="cluster")
        key = key_of(self.scan, way).alias("key")
        keys = distinct(self.survey.used.select(key), ["key"])
        gone = nw.when(nw.col("key").is_null()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        found = totals(keys, {"n": nw.len(), "gone": gone.sum()})
        if found["gone"] > 0:
            raise DataError("cluster is missing in some of the rows used.")
        codes = absent_rows(self.n)
        return codes, ("",) * int(found["n"])

    @engines_in_a_sentence()
    def squared_residual_total(self, kept: IntArray, beta: FloatArray) -> FloatArray:
        """Return the sums (k, k) of ``w^2 e^2`` times products of all pairs of columns."""
        if self.rows is None:
            refuse_rows(NOT_SAVED)
        e = self.rows.residual(self.sums, kept, beta)
        square = e * e if self.rows.weights is None else e * e * nw.col("w") * nw.col("w")
        return self.rows.total(self.sums.layout, factor=square)

    def _fitted_squares_with_offset(
        self, kept: IntArray, beta: FloatArray, about_mean: bool
    ) -> float:
        """Return the sum of squared fitted values by a query, since offsets are no column."""
        if self.rows is None:
            refuse_rows(NOT_SAVED)
        rows = self.rows.centred(self.sums.layout, {"y": self.response})
        w = nw.lit(1.0) if self.rows.weights is None else nw.col("w")
        fitted = nw.col("y") - self.rows.residual(self.sums, kept, beta)
        rows = rows.with_columns(fitted.alias("fitted"), w.alias("weight"))
        f, weight = nw.col("fitted"), nw.col("weight")
        mean = 0.0
        if about_mean:
            found = totals(rows, {"w": weight.sum(), "f": (weight * f).sum()})
            mean = found["f"] / found["w"]
        return totals(rows, {"s": (weight * (f - mean) * (f - mean)).sum()})["s"]

    @engines_in_a_sentence()
    def fitted_squares(self, kept: IntArray, beta: FloatArray, *, about_mean: bool) -> float:
        """Return the weighted sum of squared fitted values of least squares."""
        if self.offset is not None:
            return self._fitted_squares_with_offset(kept, beta, about_mean)
        if not about_mean:
            fitted = self.sums.uncentre(self.sums.layout.x[kept]) @ beta
            return float(fitted @ self.sums.total @ fitted)
        slopes = np.zeros(self.sums.layout.k)
        np.add.at(slopes, self.sums.layout.x[kept], beta)
        slopes[0] = 0.0
        mean = float(self.sums.total[0] @ slopes / self.sums.total[0, 0])
        return float(slopes @ self.sums.total @ slopes - self.sums.total[0, 0] * mean**2)

    @engines_in_a_sentence()
    def mean_of(self, number: nw.Expr) -> float:
        """Return the mean of a column over the rows used, by a query."""
        return totals(self.own_rows.lazy, {"mean": number.mean()})["mean"]

    @property
    def largest_response(self) -> float:
        """The largest absolute value of the response."""
        assert self.survey is not None
        (y,) = self.survey.moments[self.response_name]
        return max(abs(y.low), abs(y.high))

    @property
    def own_rows(self) -> Scan:
        """The rows used, all columns included.

        Raises
        ------
        NotSupportedError
            If the model came from a file or another session.
        """
        if self.survey is None:
            refuse_rows(NOT_SAVED)
        return Scan(None, self.survey.used)

    def without_rows(self) -> Design:
        """Return what a file keeps of the design."""
        return Design(**{f.name: getattr(self, f.name) for f in fields(Design)})


def _without_connection(kept: dict[str, Any]) -> PushedDesign:
    return PushedDesign(**kept)


def number_of(value: Pushed) -> nw.Expr:
    """Return one column of numbers."""
    if isinstance(value, PushedLabels):
        return value.numbers(np.arange(len(value.value.levels), dtype=np.float64))
    return value.exprs[0]


def asked(design: Design) -> PushedDesign:
    """Return the design of a model that was fitted by queries, which its caller knows it is."""
    assert isinstance(design, PushedDesign)
    return design
