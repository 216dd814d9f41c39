"""The design of a generalised model on counted combinations: exact, whatever the number of rows.

A binomial or Poisson log-likelihood is a sum over rows, and rows that are alike in all variables,
the response too, have equal terms: each combination is fitted once, its count as weight. What
single rows would be needed for is refused, as of any model without rows.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.formula.design import Design, all_expressions, build_design
from mlpool.formula.design_matrix import make_matrix
from mlpool.formula.functions.column_summaries import SUMMARIES
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    Value,
    missing_rows,
    take_rows,
    without_unused,
)
from mlpool.formula.types import ParsedFormula
from mlpool.frames import Frame, read_frame
from mlpool.sources.absent_rows import NOT_SAVED, AbsentFrame, absent_rows, refuse_rows
from mlpool.sources.build import subset_of
from mlpool.sources.combinations.query import Combinations, combinations, rows_used
from mlpool.sources.lazy_rows import LazyRows
from mlpool.sources.queries import engines_in_a_sentence
from mlpool.sources.scan import Scan
from mlpool.typing import FloatArray

COMBINED = (
    "This needs single rows, and the model was fitted to counted combinations of its variables "
    "where the rows lie: m.predict(type='response') is a query that gives means lazily; for the "
    "rest, fit rows that were read into memory."
)
_LEARNS = frozenset({"scale", "center", "poly", "bs", "ns", *SUMMARIES})
"""Functions of a column that are other numbers where each combination counts once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CombinedDesign(Design):
    """The design of a model that knows combinations and counts, not rows.

    Attributes
    ----------
    cells : Design
        Of the combinations, their counts (times prior weights) as weights.
    counts : ndarray of shape (combinations,)
    record : object
        The engine's record of the fit to them; None before the fit.
    scan : Scan or None
        What was handed over; None once the model left the session that fitted it.
    used : narwhals.LazyFrame or None
        Its rows without those left out.
    """

    cells: Design
    counts: FloatArray
    record: object = None
    scan: Scan | None = None
    used: LazyRows | None = None

    def __reduce__(
        self,
    ) -> tuple[Callable[[dict[str, Any]], CombinedDesign], tuple[dict[str, Any]]]:
        """Leave behind the engine, to which this session is connected."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return _again, ({**kept, "scan": None, "used": None},)

    @property
    def said(self) -> str:
        """Say how far the rows compress."""
        return (
            f"{self.n:,} rows have {len(self.counts):,} combinations of the model's variables; "
            "each was fitted once, with its count."
        )

    @property
    def response_summary(self) -> tuple[float, ...]:
        """Number, sums and range of the response, by which it is recognised."""
        y, w = self.cells.y, self.counts
        trials = np.ones(len(y)) if self.cells.trials is None else self.cells.trials
        sums = (w @ y, w @ y**2, w @ trials, w @ (y * trials))
        return (float(self.n), *map(float, sums), float(y.min()), float(y.max()))

    @property
    def own_rows(self) -> Scan:
        """The rows used, all columns included.

        Raises
        ------
        NotSupportedError
            If the model came from a file or another session.
        """
        if self.used is None:
            refuse_rows(NOT_SAVED)
        return Scan(None, self.used)

    def without_rows(self) -> Design:
        """Return what a file keeps of the design."""
        return Design(**{f.name: getattr(self, f.name) for f in fields(Design)})


def _again(kept: dict[str, Any]) -> CombinedDesign:
    return CombinedDesign(**kept)


@engines_in_a_sentence()
def build_combined_design(
    formula: ParsedFormula,
    rows: Scan,
    *,
    weights: object = None,
    offset: object = None,
    contrasts: Mapping[str, object] | None = None,
    subset: object = None,
    na_action: str = "omit",
    context: Mapping[str, object] | None = None,
    binomial: bool = False,
) -> CombinedDesign:
    """Build the design of `formula` on the combinations of its variables.

    The arguments are those of :func:`mlpool.sources.build.build_pushed_design`.

    Raises
    ------
    DataError, FormulaError, OptionError
        As for data in memory.
    NotSupportedError
        If the rows hardly compress, or the formula learns from all rows.
    """
    _refuse_learning(formula)
    names = [name for e in all_expressions(formula) for name in e.columns]
    names += [_column(given, argument) for given, argument in
              ((weights, "weights"), (offset, "offset")) if given is not None]  # fmt: skip
    constants = set(context or ())
    asked = list(dict.fromkeys(name for name in names if name not in constants))
    if not asked:
        raise DataError("The formula names no column of the data.")
    wanted = subset_of(subset, rows, context)
    found = combinations(rows, asked, wanted)
    frame = read_frame(found.frame)
    _refuse_infinite(formula, Evaluator(frame, {}, context), found.counts)
    prior = None if weights is None else np.asarray(frame.column(str(weights)).values, dtype=float)
    cells = build_design(
        formula, frame, weights=found.counts if prior is None else found.counts * prior,
        offset=offset, contrasts=contrasts, context=context, binomial=binomial,
    )  # fmt: skip
    has_shares = binomial and cells.trials is None and bool(((cells.y > 0) & (cells.y < 1)).any())
    if prior is not None and has_shares:
        # of proportions R's weights are denominators, which have binomial coefficients
        trials, counts = (a if cells.kept is None else a[cells.kept] for a in (prior, found.counts))
        cells = replace(cells, trials=trials, weights=counts)
    design = _without_rows(cells, frame, found)
    n_missing, missing_by = _missing(cells, frame, found, prior, na_action)
    return replace(
        design, n_missing=n_missing, missing_by=missing_by, scan=rows,
        used=rows_used(rows, asked, wanted, weights),
        weights=None if prior is None else design.y,
    )  # fmt: skip


def _refuse_learning(formula: ParsedFormula) -> None:
    """Refuse functions of all rows: combinations have other means and quantiles."""
    for expression in all_expressions(formula):
        for node in ast.walk(expression.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _LEARNS:
                raise NotSupportedError(
                    f"{expression.text} learns from all rows, which a generalised model of scanned "
                    "rows does not read: make the column where the rows are."
                )


def _refuse_infinite(formula: ParsedFormula, evaluator: Evaluator, counts: FloatArray) -> None:
    """Refuse infinite numbers, counted by rows and not by combinations."""
    for expression in all_expressions(formula):
        value = evaluator.value(expression)
        arrays = getattr(value, "arrays", (getattr(value, "array", None),))
        for array in arrays:
            rows = 0.0 if array is None else float(counts[np.isinf(array)].sum())
            if rows:
                raise DataError(
                    f"{brief(expression.text)} is infinite in {int(rows)} rows; set them missing "
                    "or drop them."
                )


def _column(given: object, argument: str) -> str:
    if not isinstance(given, str):
        raise OptionError(
            f"{argument} must name a column: scanned rows have no order that "
            f"{brief(given)} could follow."
        )
    return given


def _missing(
    cells: Design,
    frame: Frame,
    found: Combinations,
    prior: FloatArray | None,
    na_action: str,
) -> tuple[int, dict[str, int]]:
    """Return how many rows are left out, and by which variable.

    Raises
    ------
    DataError
        If there are such rows and `na_action` is "fail".
    """
    evaluator = Evaluator(frame, {}, cells.encoding.context)
    inside = found.counts if prior is None else np.where(prior == 0.0, 0.0, found.counts)
    gone, by = np.zeros(len(inside), dtype=np.bool_), {}
    masks = {e.text: missing_rows(evaluator.value(e)) for e in all_expressions(cells.formula)}
    if prior is not None:
        masks["weights"] = np.isnan(prior)
    if cells.encoding.offset_name:
        offset = np.asarray(frame.column(cells.encoding.offset_name).values, dtype=float)
        masks["offset"] = np.isnan(offset)
    for name, mask in masks.items():
        if mask is not None and inside[mask].sum() > 0:
            by[name], gone = int(inside[mask].sum()), gone | mask
    n = int(inside[gone].sum())
    if n and na_action == "fail":
        shown = ", ".join(f"{name} ({count})" for name, count in by.items())
        raise DataError(f"{n} rows have missing values ({shown}) and na_action is 'fail'.")
    return n, by


def _without_rows(cells: Design, frame: Frame, found: Combinations) -> CombinedDesign:
    """Return what the model holds: combinations, and nothing in place of rows."""
    counts = found.counts if cells.kept is None else found.counts[cells.kept]
    n, coding = int(counts.sum()), cells.encoding.contrasts
    absent = absent_rows(n, sentence=COMBINED)
    evaluator = Evaluator(frame, {}, cells.encoding.context)
    made: dict[str, Value] = {}
    for e in all_expressions(cells.formula):
        value = without_unused(take_rows(evaluator.value(e), cells.kept))
        made[e.text] = _absent_value(value, absent)
    random = tuple(
        replace(r, codes=absent, z=make_matrix(r.bar.terms, made, n, contrasts=coding))
        for r in cells.random
    )
    own = {f.name: getattr(cells, f.name) for f in fields(Design)}
    own |= {
        "y": absent, "X": make_matrix(cells.formula.fixed, made, n, contrasts=coding),
        "trials": None if cells.trials is None else absent, "random": random, "weights": None,
        "offset": None if cells.offset is None else absent, "index": pd.RangeIndex(n),
        "kept": None if n == found.n_read else absent_rows(found.n_read, sentence=COMBINED),
        "n_read": found.n_read,
        "frame": AbsentFrame(tuple(frame.columns), found.n_read, COMBINED),
    }  # fmt: skip
    return CombinedDesign(**own, cells=cells, counts=counts)


def _absent_value(value: Value, absent: Any) -> Value:
    if isinstance(value, FactorValue):
        return replace(value, codes=absent)
    if isinstance(value, MatrixValue):
        return replace(value, arrays=tuple(absent for _ in value.arrays))
    if value.is_logical:
        return FactorValue(codes=absent, levels=("FALSE", "TRUE"))
    assert isinstance(value, NumberValue)
    return NumberValue(array=absent)
