"""`build_design`: a formula and a frame to the numbers that are fitted, with names and encodings.

One rule for missing values: a row is left out when the response, a predictor, a grouping factor,
a weight, an offset or a cluster is missing there; rows are counted and said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np
import pandas as pd

from mlpool.errors import DataError, OptionError, brief
from mlpool.formula.contrast_coding import GivenContrasts, read_contrasts
from mlpool.formula.design_matrix import DesignMatrix, make_matrix
from mlpool.formula.functions.evaluate import Evaluator
from mlpool.formula.functions.values import FactorValue, Value, without_unused
from mlpool.formula.newdata import Encoding, NewRows, encode_new_rows
from mlpool.formula.parse import parse_formula
from mlpool.formula.random_terms import RandomDesign, make_random
from mlpool.formula.response import read_response
from mlpool.formula.supplied_vectors import as_ways
from mlpool.formula.text_numbers import refuse_numbers_as_text
from mlpool.formula.types import Expression, ParsedFormula, Terms
from mlpool.formula.used_rows import RowFilter, align_codes, kept_rows, read_subset, read_vector
from mlpool.frames import Frame, HeldFrame, hold, read_frame
from mlpool.frames.levels import drop_unused
from mlpool.keywords import MatrixOptions, spell_out
from mlpool.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, DataLike


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """What a model is fitted to, and how it was encoded.

    Attributes
    ----------
    formula : ParsedFormula
    response_name : str
        R's text of the response (``math``, ``log(Reaction)``).
    y : ndarray of shape (n,)
        Response (binomial: proportion of successes).
    trials : ndarray of shape (n,) or None
        Rows' denominators for ``cbind(k, n - k)``.
    response_levels : tuple of str
        Levels of a factor response, the first being failure.
    X : DesignMatrix
        Fixed effects (lazy).
    random : tuple of RandomDesign
        Terms in lme4's order: decreasing number of levels, ties in formula order.
    weights, offset : ndarray of shape (n,) or None
    cluster : tuple of (codes, levels, name)
        The clusters given at fit time, one entry per way.
    index : pandas.Index
        Labels of the rows used, from the user's data.
    kept : ndarray of bool of shape (n_read,), or None
        None when every row is used.
    n_read, n_missing : int
    missing_by : dict
        Rows missing per variable.
    frame : Frame
        The user's data as they were; later look-ups (a cluster named after the fit) use them.
    encoding : Encoding
        How new data are encoded.
    """

    formula: ParsedFormula
    response_name: str
    y: FloatArray
    trials: FloatArray | None
    response_levels: tuple[str, ...]
    X: DesignMatrix
    random: tuple[RandomDesign, ...]
    weights: FloatArray | None
    offset: FloatArray | None
    cluster: tuple[tuple[IntArray, tuple[str, ...], str], ...]
    index: pd.Index
    kept: BoolArray | None
    n_read: int
    n_missing: int
    missing_by: dict[str, int]
    frame: Frame
    encoding: Encoding

    @property
    def n(self) -> int:
        """Rows used."""
        return int(self.y.shape[0])

    def codes(self, cluster: ClusterLike | None) -> tuple[IntArray, tuple[str, ...]]:
        """Return codes and levels of a column name, Series or array, aligned to the rows used.

        Raises
        ------
        DataError
            If the length is neither that of the data nor that of the rows used, or a value is
            missing.
        """
        return align_codes(cluster, self.frame, self.kept, self.n)

    def new(
        self,
        newdata: DataLike | None,
        *,
        allow_new_levels: bool = False,
        random: bool | Collection[int] = True,
    ) -> NewRows:
        """Encode new rows as the training data were encoded (see :func:`encode_new_rows`).

        `random` says whether random terms are encoded, or which, by their places.
        """
        if isinstance(random, bool):
            random = range(len(self.random)) if random else ()
        return encode_new_rows(
            self.encoding,
            self.X,
            tuple(self.random[i] for i in random),
            newdata,
            allow_new_levels=allow_new_levels,
        )

    def column_codes(self, name: str) -> tuple[IntArray, tuple[str, ...]]:
        """Return codes and labels of a column on the rows used; of numbers, too."""
        codes, names = self.frame.column(name).coded()
        return drop_unused(codes if self.kept is None else codes[self.kept], names.labels)

    def column_values(self, name: str) -> tuple[Any, tuple[str, ...]]:
        """Return a column of the user's data on the rows used: values (or codes) and levels."""
        column = self.frame.column(name)
        values = column.values if self.kept is None else column.values[self.kept]
        return values, column.levels


def build_design(
    formula: str | ParsedFormula,
    data: object,
    *,
    weights: object = None,
    offset: object = None,
    cluster: ClusterLike | None = None,
    contrasts: Mapping[str, object] | None = None,
    subset: object = None,
    na_action: str = "omit",
    context: Mapping[str, object] | None = None,
    binomial: bool = False,
    also: Sequence[str] = (),
) -> Design:
    """Build the design of `formula` on `data`.

    Parameters
    ----------
    formula : str or ParsedFormula
    data : data frame, dict, path or Frame
    weights, offset, cluster : str, Series or array, optional
        A column's name or one value per row; `cluster` may be a list for several ways.
    contrasts : mapping, optional
        ``{"f": "sum"}``, or a matrix with a row per level (a frame names its columns).
    subset : str, Series or array of bool, optional
        Rows to use; a string is an expression such as ``"ses > 0"``.
    na_action : {"omit", "fail"}
    context : mapping, optional
        Functions and constants that the formula may use.
    binomial : bool
        Whether a factor, logical or ``cbind`` response is allowed.
    also : sequence of str
        Columns beside the formula that the fit reads.

    Raises
    ------
    DataError, FormulaError
        One sentence for what does not fit.
    """
    frame = read_frame(data)
    parsed, outcome = _with_response(parse_formula(formula, columns=frame.columns, context=context))
    frame = hold(frame, [*_names_used(parsed, (weights, offset, cluster)), *also])
    states: dict[str, dict[str, object]] = {}
    evaluator = Evaluator(frame, states, context)
    coding = _read_coding(contrasts, parsed, frame)
    rows = RowFilter(frame.n_rows, read_subset(subset, frame, context))
    raw = _evaluated(parsed, evaluator, rows, given_answers(frame, outcome))
    given_weights = read_vector(weights, frame, "weights")
    rows.leave_out(None if given_weights is None else given_weights == 0.0)
    given_offset = read_vector(offset, frame, "offset")
    clusters = _read_clusters(cluster, frame)
    kept = kept_rows(rows, na_action, given_weights, given_offset, clusters)
    values = {text: without_unused(rows.take(value)) for text, value in raw.items()}
    refuse_numbers_as_text(_predictors(parsed), values)
    response = read_response(outcome, values[outcome.text], binomial=binomial)
    n = len(response.y)
    return Design(
        formula=parsed,
        response_name=outcome.text,
        y=response.y,
        trials=response.trials,
        response_levels=response.levels,
        X=make_matrix(parsed.fixed, values, n, contrasts=coding),
        random=make_random(parsed.bars, values, n, contrasts=coding),
        weights=_checked_weights(given_weights, kept),
        offset=_total_offset(given_offset, parsed, values, kept, n),
        cluster=tuple((c if kept is None else c[kept], lv, nm) for c, lv, nm in clusters),
        index=frame.index if kept is None else frame.index[kept],
        kept=kept,
        n_read=frame.n_rows,
        n_missing=rows.n_missing,
        missing_by=rows.missing_by,
        frame=frame,
        encoding=Encoding.from_training(parsed, states, values, coding, context, offset=offset),
    )


def _with_response(parsed: ParsedFormula) -> tuple[ParsedFormula, Expression]:
    if parsed.response is None:
        raise DataError("The formula has no response; write y ~ x.")
    return parsed, parsed.response


def _evaluated(
    parsed: ParsedFormula, evaluator: Evaluator, rows: RowFilter, answers: dict[str, Value]
) -> dict[str, Value]:
    """Return the value of every expression on all rows, noting where one is missing."""
    return {
        e.text: rows.note(e.text, answers[e.text] if e.text in answers else evaluator.value(e))
        for e in all_expressions(parsed)
    }


@spell_out(MatrixOptions)
def model_matrix(formula: str, data: DataLike, **options: Unpack[MatrixOptions]) -> pd.DataFrame:
    """Return R's ``model.matrix``: the fixed-effects columns with R's names.

    Parameters
    ----------
    formula : str
        With or without a response.
    data : data frame, dict or path
    **options
        ``contrasts``, ``subset``, ``na_action``, ``context`` as in :func:`build_design`.

    Returns
    -------
    DataFrame of shape (n, p)

    Examples
    --------
    >>> list(model_matrix("~ f", {"f": ["a", "b"]}).columns)
    ['(Intercept)', 'fb']
    """
    allowed = {"contrasts", "subset", "na_action", "context"}
    if unknown := set(options) - allowed:
        raise OptionError(f"model_matrix() has no argument {brief(sorted(unknown)[0])}.")
    frame = read_frame(data)
    context = options.get("context")
    parsed = parse_formula(formula, columns=frame.columns, context=context)
    evaluator = Evaluator(frame, {}, context)
    rows = RowFilter(frame.n_rows, read_subset(options.get("subset"), frame, context))
    expressions = [e for e in all_expressions(parsed) if e not in _group_expressions(parsed)]
    raw = {e.text: rows.note(e.text, evaluator.value(e)) for e in expressions}
    kept = rows.kept(options.get("na_action", "omit"))
    values = {text: without_unused(rows.take(value)) for text, value in raw.items()}
    given = _mapping(options.get("contrasts"), "contrasts", "{'f': 'sum'}")
    coding = {str(k): read_contrasts(v) for k, v in given.items()}
    refuse_numbers_as_text(_predictors(parsed), values)
    n = frame.n_rows if kept is None else int(kept.sum())
    matrix = make_matrix(parsed.fixed, values, n, contrasts=coding)
    index = frame.index if kept is None else frame.index[kept]
    return pd.DataFrame(matrix.dense(), columns=list(matrix.names), index=index)


def all_expressions(parsed: ParsedFormula) -> list[Expression]:
    """Return the response, the terms', the groups' and the offsets' expressions, each once."""
    found: dict[str, Expression] = {}

    def add(terms: Terms) -> None:
        for term in terms.terms:
            for expression in term:
                found.setdefault(expression.text, expression)

    if parsed.response is not None:
        found[parsed.response.text] = parsed.response
    add(parsed.fixed)
    for bar in parsed.bars:
        add(bar.terms)
        for expression in bar.group:
            found.setdefault(expression.text, expression)
    for expression in parsed.offsets:
        found.setdefault(expression.text, expression)
    return list(found.values())


def given_answers(frame: Frame, response: Expression) -> dict[str, Value]:
    """Return the response that `refit` gave, if the left side is still the same."""
    given = frame.answers if isinstance(frame, HeldFrame) else {}
    return {text: cast(Value, v) for text, v in given.items() if text == response.text}


def _predictors(parsed: ParsedFormula) -> list[Expression]:
    """Return what columns of X and Z are made of."""
    terms = [parsed.fixed, *(bar.terms for bar in parsed.bars)]
    return [e for one in terms for term in one.terms for e in term]


def _names_used(parsed: ParsedFormula, given: Sequence[object]) -> list[str]:
    """Return the names of the columns that a fit reads."""
    names = [name for e in all_expressions(parsed) for name in e.columns]
    for one in given:
        names += [
            way
            for way in (one if isinstance(one, (list, tuple)) else [one])
            if isinstance(way, str)
        ]
    return names


def _group_expressions(parsed: ParsedFormula) -> list[Expression]:
    return [e for bar in parsed.bars for e in bar.group]


def _read_clusters(
    cluster: ClusterLike | None, frame: Frame
) -> list[tuple[IntArray, tuple[str, ...], str]]:
    if cluster is None:
        return []
    cluster = as_ways(cluster)
    ways = list(cluster) if isinstance(cluster, (list, tuple)) and _are_ways(cluster) else [cluster]
    result = []
    for way in ways:
        codes, levels = align_codes(way, frame, None, frame.n_rows, allow_missing=True)
        result.append((codes, levels, way if isinstance(way, str) else "cluster"))
    return result


def _are_ways(cluster: Sequence[Any]) -> bool:
    return all(isinstance(w, str) or (hasattr(w, "__len__") and np.ndim(w) == 1) for w in cluster)


def _checked_weights(weights: FloatArray | None, kept: BoolArray | None) -> FloatArray | None:
    if weights is None:
        return None
    used = np.asarray(weights if kept is None else weights[kept], dtype=np.float64)
    if (used < 0).any():
        raise DataError(f"weights must be positive; {int((used < 0).sum())} are negative.")
    if np.isinf(used).any():
        raise DataError("weights must be finite.")
    return used


def _total_offset(
    given: FloatArray | None,
    parsed: ParsedFormula,
    values: Mapping[str, Value],
    kept: BoolArray | None,
    n: int,
) -> FloatArray | None:
    parts = [] if given is None else [given if kept is None else given[kept]]
    for expression in parsed.offsets:
        value = values[expression.text]
        if isinstance(value, FactorValue) or not hasattr(value, "array"):
            raise DataError(f"offset({expression.text}) must be one column of numbers.")
        parts.append(value.array)
    if not parts:
        return None
    wide = [np.broadcast_to(np.asarray(p, dtype=np.float64), (n,)) for p in parts]
    return np.asarray(np.sum(wide, axis=0))


def _read_coding(
    contrasts: object, parsed: ParsedFormula, frame: Frame
) -> dict[str, str | GivenContrasts]:
    given = _mapping(contrasts, "contrasts", "{'f': 'sum'}")
    coding = {str(k): read_contrasts(v) for k, v in given.items()}
    texts = {e.text for e in all_expressions(parsed)}
    for name in coding:
        if name not in texts:
            raise DataError(
                f"contrasts names {brief(name)}, which is not in the formula {brief(parsed.text)}."
            )
        if (
            name in frame
            and not frame.column(name).is_factor
            and frame.column(name).kind != "boolean"
        ):
            raise DataError(
                f"contrasts names {brief(name)}, which is numeric; write factor({name}) in "
                "the formula."
            )
    return coding


def _mapping(given: object, argument: str, example: str) -> Mapping[str, object]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise OptionError(f"{argument} must be a dict such as {example}; got {brief(given)}.")
    return given
