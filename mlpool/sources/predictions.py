"""Predictions where the rows are: X beta by arithmetic, random effects by a join."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np

from mlpool.errors import DataError, brief
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.newdata import encode_value
from mlpool.formula.random_terms import RandomDesign, group_codes
from mlpool.formula.types import Terms
from mlpool.frames import read_frame
from mlpool.sources.clusters.asked import AskedEffects, asked_effects
from mlpool.sources.clusters.effects import MODE
from mlpool.sources.columns import columns_of
from mlpool.sources.language.expressions import PushedEvaluator
from mlpool.sources.language.pushed_values import Pushed, PushedLabels
from mlpool.sources.language.variables import numbers_of
from mlpool.sources.lazy_rows import Answer, LazyRows
from mlpool.sources.queries import collected, distinct, engines_in_a_sentence
from mlpool.sources.scan import Scan
from mlpool.sources.tables import joined, lazy_beside
from mlpool.typing import FloatArray, IntArray


def refuse_taken(rows: Scan, names: Sequence[str]) -> None:
    """Refuse to put columns where the rows have some of that name; engines may ignore capitals.

    Raises
    ------
    DataError
    """
    for name in names:
        own = next((c for c in rows.columns if c.lower() == name.lower()), None)
        if own is not None:
            raise DataError(
                f"The rows have a column {brief(own)}, where a column {brief(name)} is to be "
                "added; rename or drop theirs."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """What predictions are made of.

    Attributes
    ----------
    design : Design
    beta : ndarray of shape (p,)
        A coefficient per column of X, zero where it was dropped.
    effects : mapping from a term's place to ndarray of shape (levels, k)
        The random effects that take part.
    allow_new_levels : bool
        Whether groups that the model does not know have an effect of zero.
    """

    design: Design
    beta: FloatArray
    effects: Mapping[int, FloatArray]
    allow_new_levels: bool = False

    @engines_in_a_sentence()
    def predict(self, rows: Scan, name: str = "predicted") -> LazyRows:
        """Return the rows with a column of predictions, null where a predictor is missing.

        Raises
        ------
        ColumnNotFoundError, DataError
            As for new data in memory: a variable that is not there, a level that the model does
            not know.
        """
        values = self._values(rows)
        eta = _share(self.design.X, self.design.formula.fixed, values, self.beta)
        for offset in self._offsets(rows):
            eta = offset if eta is None else eta + offset
        lazy, made = rows.lazy, []
        for place, b in self.effects.items():
            lazy, share, columns = self._random(rows, lazy, values, (place, b))
            eta = share if eta is None else eta + share
            made += columns
        predicted = nw.lit(0.0) if eta is None else eta
        return lazy.with_columns(predicted.alias(name)).drop(*made)

    def _values(self, rows: Scan) -> dict[str, Pushed]:
        """Evaluate the predictors as they were encoded when the model was fitted."""
        encoding = self.design.encoding
        evaluator = PushedEvaluator(rows, copy.deepcopy(encoding.states), encoding.context)
        formula = self.design.formula
        wanted = [formula.fixed, *(self.design.random[i].bar.terms for i in self.effects)]
        found: dict[str, Pushed] = {}
        for expression in {e.text: e for t in wanted for term in t.terms for e in term}.values():
            trained = encoding.factors.get(expression.text)
            is_truth = trained is not None and set(trained.levels) <= {"FALSE", "TRUE"}
            value = evaluator.value(expression)
            if trained is not None and not isinstance(value, PushedLabels) and not is_truth:
                value = evaluator.labels(expression)
            if isinstance(value, PushedLabels):
                encoded = encode_value(expression, value.value, encoding)
                value = PushedLabels(column=value.column, keys=value.keys, value=encoded)  # type: ignore[arg-type] # of labels
            found[expression.text] = value
        return found

    def _offsets(self, rows: Scan) -> list[nw.Expr]:
        encoding = self.design.encoding
        if encoding.has_offset and not encoding.offset_name:
            raise DataError(
                "The model was fitted with offset= as values, which scanned rows do not carry; "
                "give offset= a column's name, or write offset(...) in the formula."
            )
        evaluator = PushedEvaluator(rows, copy.deepcopy(encoding.states), encoding.context)
        made = [evaluator.number(e) for e in encoding.formula.offsets]
        return [*made, numbers_of(rows, encoding.offset_name)] if encoding.offset_name else made

    def _random(
        self,
        rows: Scan,
        lazy: LazyRows,
        values: Mapping[str, Pushed],
        term: tuple[int, FloatArray],
    ) -> tuple[LazyRows, nw.Expr, list[str]]:
        """Join the effects of one term; return the rows, ``z'b`` and the columns joined."""
        place, b = term
        random = self.design.random[place]
        asked = asked_effects(b)
        if asked is not None:
            found = self._where_they_are(rows, lazy, asked, place)
            if found is not None:
                return found
        keys = list(dict.fromkeys(c for e in random.bar.group for c in e.columns))
        known = collected(distinct(rows.lazy.select(*keys).drop_nulls(), keys))
        codes = self._codes(random, known)
        names = [f"effect {place} {i}" for i in range(b.shape[1])]
        padded = np.vstack([b, np.zeros(b.shape[1])])[codes]
        table = known.with_columns(
            *(
                nw.new_series(name, column, nw.Float64, backend=known.implementation)
                for name, column in zip(names, np.ascontiguousarray(padded.T), strict=True)
            )
        )
        lazy = joined(lazy, lazy_beside(rows.lazy, table), keys)
        effects = [nw.col(n).fill_null(0.0) if self.allow_new_levels else nw.col(n) for n in names]
        total: nw.Expr | None = None
        columns = columns_of(random.z, random.bar.terms, values)
        for effect, (_, column) in zip(effects, columns, strict=True):
            share = effect if column is None else effect * column.expr
            total = share if total is None else total + share
        assert total is not None
        return lazy, total, names

    def _where_they_are(
        self, rows: Scan, lazy: LazyRows, asked: AskedEffects, place: int
    ) -> tuple[LazyRows, nw.Expr, list[str]] | None:
        """Join the effects of clusters that stay with the rows; None for rows of other engines.

        Few effects are brought and go to any engine; many are brought for another engine only.
        """
        clusters, name = asked.clusters, f"effect {place} 0"
        effects = asked.lazy.select(clusters.column, nw.col(MODE).alias(name))
        at_home = clusters.shares_engine(rows, effects)
        if not at_home and not clusters.are_many:
            return None
        if not at_home:
            effects = lazy_beside(rows.lazy, collected(effects, "effects of groups"))
        made = joined(lazy, effects, [clusters.column])
        effect = nw.col(name)
        if self.allow_new_levels:
            return made, effect.fill_null(0.0), [name]
        if not clusters.holds(rows):
            is_new = effect.is_null() & ~nw.col(clusters.column).is_null()
            new = collected(made.filter(is_new).select(clusters.column).head(1))
            if len(new):
                raise _unknown_level(clusters.bar.group_name, str(new[clusters.column][0]))
        return made, effect, [name]

    def _codes(self, random: RandomDesign, known: Answer) -> IntArray:
        encoding = self.design.encoding
        states = copy.deepcopy(encoding.states)
        evaluator = Evaluator(read_frame(known.to_native()), states, encoding.context)
        each = [group_codes(e, evaluator.value(e)) for e in random.bar.group]
        codes = random.find(each)
        if not self.allow_new_levels and (codes < 0).any():
            row = int(np.argmax(codes < 0))
            label = ":".join("NA" if c[row] < 0 else n.labels[c[row]] for c, n in each)
            raise _unknown_level(random.group, label)
        return codes


def _unknown_level(group: str, label: str) -> DataError:
    return DataError(
        f"The new data have {group} = {brief(label)}, which was not in the data; "
        "allow_new_levels=True predicts it with a random effect of zero, re_form=False without "
        "random effects."
    )


def _share(
    matrix: DesignMatrix, terms: Terms, values: Mapping[str, Pushed], beta: FloatArray
) -> nw.Expr | None:
    """Return ``X beta`` as one expression."""
    total: nw.Expr | None = None
    constant = 0.0
    for (_, column), b in zip(columns_of(matrix, terms, values), beta.tolist(), strict=True):
        if column is None:
            constant = b
        elif b != 0.0:
            share = b * column.expr
            total = share if total is None else total + share
    if total is None:
        return nw.lit(constant) if constant else None
    return total + constant if constant else total
