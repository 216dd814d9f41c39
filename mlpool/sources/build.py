"""`build_pushed_design`: a formula and scanned rows to a design without rows, and its sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
import pandas as pd

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.formula.contrast_coding import GivenContrasts, read_contrasts
from mlpool.formula.design_matrix import make_matrix
from mlpool.formula.functions.bases import State
from mlpool.formula.functions.values import (
    FactorValue,
    MatrixValue,
    NumberValue,
    Value,
    without_unused,
)
from mlpool.formula.language.expression import parse_expression
from mlpool.formula.newdata import Encoding
from mlpool.formula.response import read_response
from mlpool.formula.text_numbers import refuse_numbers_as_text
from mlpool.formula.types import Expression, ParsedFormula
from mlpool.sources.absent_rows import SCANNED, AbsentFrame, absent_rows
from mlpool.sources.columns import PushedColumn, distinct_columns
from mlpool.sources.design import PushedDesign, number_of
from mlpool.sources.groups import Grouped, GroupedRows, with_groups
from mlpool.sources.language.expressions import PushedEvaluator
from mlpool.sources.language.pushed_values import Pushed, PushedLabels, PushedNumbers, complete
from mlpool.sources.language.variables import key_of, kind_of, numbers_of
from mlpool.sources.queries import engines_in_a_sentence
from mlpool.sources.scan import Scan
from mlpool.sources.sums import PushedRows, total_sums
from mlpool.sources.survey import Asked, Survey, levels_used, survey


@engines_in_a_sentence()
def build_pushed_design(
    formula: ParsedFormula,
    rows: Scan,
    *,
    weights: object = None,
    offset: object = None,
    cluster: object = None,
    contrasts: Mapping[str, object] | None = None,
    subset: object = None,
    na_action: str = "omit",
    context: Mapping[str, object] | None = None,
) -> PushedDesign:
    """Build the design of `formula` on scanned rows, by as few queries as it takes.

    The arguments are those of :func:`mlpool.formula.design.build_design`; `weights`, `offset` and
    `cluster` name columns and `subset` is an expression, since scanned rows have no order that an
    array could follow.

    Raises
    ------
    DataError, FormulaError, OptionError
        As for data in memory.
    NotSupportedError
        For what no query computes.
    """
    if formula.response is None:
        raise DataError("The formula has no response; write y ~ x.")
    states: dict[str, State] = {}
    evaluator = PushedEvaluator(rows, states, context)
    coding = _read_coding(contrasts, formula, rows)
    groups = {e.text: e for bar in formula.bars for e in bar.group}
    values = {e.text: evaluator.value(e) for e in _value_expressions(formula)}
    keys = {name: key_of(rows, name) for e in groups.values() for name in e.columns}
    ways = _ways(cluster)
    for name in ways:
        kind_of(rows, name, used_as="cluster")
    asked = Asked(
        values=values,
        keys={**keys, **{name: key_of(rows, name) for name in ways}},
        float_keys=frozenset(name for name in (*keys, *ways) if rows.schema[name].is_float()),
        weights=_column_numbers(weights, rows, "weights"),
        offset=_column_numbers(offset, rows, "offset"),
        subset=subset_of(subset, rows, context),
    )
    found = survey(rows.lazy, asked, na_action)
    values = {
        e.text: complete(e, _with_levels_used(values[e.text], found), rows)
        for e in _value_expressions(formula)
    }
    made = {text: _without_rows(value, found.n) for text, value in values.items()}
    refuse_numbers_as_text(_predictors(formula), made)
    value = made[formula.response.text]
    if _is_truth(value):
        raise NotSupportedError(
            f"The response {formula.response.text} is TRUE or FALSE; of scanned rows write "
            f"as.numeric({formula.response.text}) for 1 and 0."
        )
    if not isinstance(value, NumberValue):
        read_response(formula.response, value, binomial=False)  # says what it must be
    return _Builder(
        formula=formula, rows=rows, asked=asked, found=found, values=values, made=made,
        coding=coding, states=states, context=context, offset=offset, keys=keys,
    ).design()  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """Everything that is known after the first query."""

    formula: ParsedFormula
    rows: Scan
    asked: Asked
    found: Survey
    values: dict[str, Pushed]
    made: dict[str, Value]
    coding: dict[str, str | GivenContrasts]
    states: dict[str, State]
    context: Mapping[str, object] | None
    offset: object
    keys: dict[str, nw.Expr]

    def design(self) -> PushedDesign:
        """Ask for the sums and put the design together."""
        formula, n = self.formula, self.found.n
        X = make_matrix(formula.fixed, self.made, n, contrasts=self.coding)
        Z = [(make_matrix(b.terms, self.made, n, contrasts=self.coding), b) for b in formula.bars]
        columns = distinct_columns(
            [(X, formula.fixed), *((z, bar.terms) for z, bar in Z)],
            self.values, self.found.centres, self._response(),
        )  # fmt: skip
        rows = PushedRows(
            rows=self.found.used, columns=columns, weights=self.asked.weights, n=n,
            sum_log_weights=self.found.sum_log_weights,
        )  # fmt: skip
        sums, kept = total_sums(rows)
        grouped = self._groups(rows, sums, tuple(z.shape[1] for z, _ in Z))
        assert formula.response is not None
        absent = absent_rows(n)
        has_offset = self.asked.offset is not None or bool(formula.offsets)
        names = tuple(dict.fromkeys(c for e in _expressions(formula) for c in e.columns))
        return PushedDesign(
            formula=formula,
            response_name=formula.response.text,
            y=absent,
            trials=None,
            response_levels=(),
            X=X,
            random=grouped.random,
            weights=None if self.asked.weights is None else absent,
            offset=absent if has_offset else None,
            cluster=(),
            index=pd.RangeIndex(n),
            kept=None if n == self.found.n_read else absent_rows(self.found.n_read),
            n_read=self.found.n_read,
            n_missing=self.found.n_missing,
            missing_by=self.found.missing_by,
            frame=AbsentFrame(names, self.found.n_read, SCANNED),
            encoding=Encoding.from_training(
                formula, self.states, {**self.made, **grouped.values}, self.coding, self.context,
                offset=self.offset,
            ),
            sums=grouped.sums,
            factor_sums=grouped.factor_sums,
            kept_columns=kept,
            scan=self.rows,
            rows=rows,
            survey=self.found,
            values=self.values,
            clusters=grouped.clusters,
        )  # fmt: skip

    def _response(self) -> PushedColumn:
        """Return the response less the offset."""
        assert self.formula.response is not None
        text = self.formula.response.text
        expr, centre = number_of(self.values[text]), self.found.moments[text][0].centre
        for one in self.formula.offsets:
            value = self.values[one.text]
            if isinstance(value, PushedLabels) or len(value.exprs) > 1:
                raise DataError(f"offset({one.text}) must be one column of numbers.")
            expr = expr - value.exprs[0]
            centre -= self.found.moments[one.text][0].mean
        return PushedColumn(
            expr=expr if self.asked.offset is None else expr - self.asked.offset, centre=centre
        )

    def _groups(self, rows: PushedRows, sums: CrossProducts, sizes: tuple[int, ...]) -> Grouped:
        """Ask for the sums per level of the grouping factors."""
        if not self.formula.bars:
            return Grouped(random=(), values={}, sums=sums)
        asked = GroupedRows(
            formula=self.formula, scan=self.rows, rows=rows, keys=self.keys, made=self.made,
            coding=self.coding, states=self.states, context=self.context, sizes=sizes,
        )  # fmt: skip
        return with_groups(asked, sums)


def _value_expressions(formula: ParsedFormula) -> list[Expression]:
    """Return the expressions that columns, response and offsets are made of."""
    grouping = {e.text for bar in formula.bars for e in bar.group}
    predictors = {e.text for e in _predictors(formula)}
    named = [formula.response] if formula.response is not None else []
    found = {e.text: e for e in (*named, *_predictors(formula), *formula.offsets)}
    return [e for text, e in found.items() if text not in grouping or text in predictors]


def _predictors(formula: ParsedFormula) -> list[Expression]:
    terms = [formula.fixed, *(bar.terms for bar in formula.bars)]
    return [e for one in terms for term in one.terms for e in term]


def _expressions(formula: ParsedFormula) -> list[Expression]:
    return [*_value_expressions(formula), *(e for bar in formula.bars for e in bar.group)]


def _with_levels_used(value: Pushed, found: Survey) -> Pushed:
    """Drop the levels that no row used has, as in memory."""
    if not isinstance(value, PushedLabels):
        return value
    # where every row is used the values were found in these very rows: one scan less
    is_all = found.n == found.n_read
    is_used = np.ones(len(value.keys), bool) if is_all else levels_used(found.used, value)
    kept = replace(value.value, codes=np.asarray(value.value.codes)[is_used])
    keys = tuple(k for k, used in zip(value.keys, is_used, strict=True) if used)
    dropped = without_unused(kept)
    assert isinstance(dropped, FactorValue)
    return replace(value, keys=keys, value=dropped)


def _without_rows(value: Pushed, n: int) -> Value:
    """Return what data in memory would give, less the rows."""
    absent = absent_rows(n)
    if isinstance(value, PushedLabels):
        return replace(value.value, codes=absent)
    if value.is_logical:
        return FactorValue(codes=absent, levels=("FALSE", "TRUE"))
    if value.labels:
        arrays = tuple(absent for _ in value.exprs)
        return MatrixValue(arrays=arrays, labels=value.labels, kind="poly")
    return NumberValue(array=absent)


def _is_truth(value: Value) -> bool:
    return isinstance(value, FactorValue) and set(value.levels) <= {"FALSE", "TRUE"}


def _column_numbers(given: object, rows: Scan, argument: str) -> nw.Expr | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise OptionError(
            f"{argument} must name a column: scanned rows have no order that "
            f"{brief(given)} could follow."
        )
    if kind_of(rows, given, used_as=argument) not in ("number", "logical"):
        raise DataError(f"{argument} names the column {brief(given)}, which is not numeric.")
    return numbers_of(rows, given)


def _ways(cluster: object) -> list[str]:
    """Return the columns of clusters."""
    if cluster is None:
        return []
    ways: list[str] = []
    for way in cluster if isinstance(cluster, (list, tuple)) else [cluster]:
        if not isinstance(way, str):
            raise OptionError(
                "cluster must name a column: scanned rows have no order that "
                f"{brief(way)} could follow."
            )
        ways.append(way)
    return ways


def subset_of(subset: object, rows: Scan, context: Mapping[str, object] | None) -> nw.Expr | None:
    """Return 1 where a row is wanted, None for all rows.

    Raises
    ------
    DataError, OptionError
        For what is not true or false for each row, and arrays.
    """
    if subset is None:
        return None
    if not isinstance(subset, str):
        raise OptionError(
            'subset must be an expression such as "ses > 0": scanned rows have no order that '
            f"{brief(subset)} could follow."
        )
    known = frozenset(() if context is None else context)
    value = PushedEvaluator(rows, {}, context).value(
        parse_expression(subset, formula=subset, context=known)
    )
    if isinstance(value, PushedLabels) and value.value.levels == ("FALSE", "TRUE"):
        return value.numbers(np.array([0.0, 1.0]))
    if isinstance(value, PushedNumbers) and value.is_logical:
        return value.exprs[0]
    raise DataError(
        f'subset {brief(subset)} is not true or false for each row; compare: "ses > 0".'
    )


def _read_coding(
    contrasts: object, formula: ParsedFormula, rows: Scan
) -> dict[str, str | GivenContrasts]:
    if contrasts is None:
        return {}
    if not isinstance(contrasts, Mapping):
        raise OptionError(
            f"contrasts must be a dict such as {{'f': 'sum'}}; got {brief(contrasts)}."
        )
    texts: Sequence[str] = [e.text for e in _expressions(formula)]
    for name in map(str, contrasts):
        if name not in texts:
            raise DataError(
                f"contrasts names {brief(name)}, which is not in the formula {brief(formula.text)}."
            )
        if name in rows.schema and kind_of(rows, name) in ("number", "date"):
            raise DataError(
                f"contrasts names {brief(name)}, which is numeric; write factor({name}) in "
                "the formula."
            )
    return {str(k): read_contrasts(v) for k, v in contrasts.items()}
