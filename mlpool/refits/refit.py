"""`refit` and `update`: the same model with another response, formula, data or option."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import numpy as np
import pandas as pd

from mlpool.designs.row_summaries import rows_of
from mlpool.errors import DataError, NotSupportedError, OptionError, brief
from mlpool.formula.design import Design
from mlpool.formula.parse import parse_formula
from mlpool.formula.supplied_vectors import coded_vector, in_row_order
from mlpool.formula.update import update_formula
from mlpool.frames.level_labels import match_names
from mlpool.keywords import UpdateOptions, spell_out
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.fit import AnyModel, fit
from mlpool.models.fit_messages import fit_messages, say_what_was_found
from mlpool.models.fitted import FittedModel
from mlpool.models.generalized_mixed import fitted_family
from mlpool.models.verbs import check_arguments
from mlpool.option_spellings import also_spelt
from mlpool.refits.refit_response import check_left_side, with_response
from mlpool.refits.simulate import KINDS
from mlpool.sources import Scan
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import ColumnLike, DataLike

M = TypeVar("M", bound=FittedModel)


def refit(m: M, y: ColumnLike | pd.DataFrame) -> M:
    """Fit the same model to another response (lme4's ``refit``).

    Parameters
    ----------
    m : FittedModel
    y : Series, array or list
        One value per row used (or per row of the data), on the scale of the formula's left side;
        successes for ``cbind(successes, failures)``. A column of :func:`simulate` fits.

    Returns
    -------
    FittedModel
        A new one, of the same kind.

    Raises
    ------
    DataError
        If `y` has the wrong length, missing values, or values that the response cannot take.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> again = refit(m, mlpool.load_data("sleepstudy")["Reaction"])
    >>> bool(abs(again.sigma - m.sigma) < 1e-6)
    True
    """
    require_kind(m, (*KINDS, "gls"), "refit()")
    if m.vcov_choice is not None and m.vcov_choice.matrix is not None:
        raise NotSupportedError(
            "The model was fitted with a covariance matrix of your own, which does not belong to "
            "another response; fit without vcov= first."
        )
    np.asarray(m.design.y)  # a model that was loaded without rows says here that it needs them
    values = read_new_response(m.design, y)
    design = with_response(m, values, _on_every_row(m.design, y))
    made = with_record(m, design, m.fit_record(design))
    say_what_was_found(fit_messages(design, made.fit, m.family), None)
    return made


def with_record(m: M, design: Design, record: Any) -> M:
    """Return the model `m` with another design and its fit record."""
    texts = tuple(text for text, _ in fit_messages(design, record, m.family))
    fresh: dict[str, Any] = {"_cache": {}} if hasattr(m, "_cache") else {}
    if m.kind == "glmer" and m.family is not None:
        fresh["family"] = fitted_family(m.family, record)
    return replace(m, design=design, fit=record, messages=texts, **fresh)


@also_spelt("vcov", "cluster")
@spell_out(UpdateOptions)
def update(
    m: FittedModel,
    formula: str | None = None,
    data: DataLike | None = None,
    **changes: Unpack[UpdateOptions],
) -> AnyModel:
    """Fit a model again with some things changed (R's ``update``).

    Parameters
    ----------
    m : FittedModel
    formula : str, optional
        A whole formula, or one with dots for the old sides: ``". ~ . - x + (z | g)"``.
    data : data frame, optional
        Other data.
    **changes
        Any argument of :func:`fit`: ``reml=False``, ``weights="w"``, ``family=...``; None takes one
        away.

    Returns
    -------
    FittedModel

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> update(m, ". ~ . - (Days | Subject) + (1 | Subject)", REML=False).formula.text
    'Reaction ~ Days + (1 | Subject)'
    """
    require_kind(m, (*KINDS, "gls"), "update()")
    if formula is not None and not isinstance(formula, str):
        raise OptionError(f'formula must be a string such as ". ~ . - x"; got {brief(formula)}.')
    if "REML" in changes:
        if "reml" in changes:
            raise OptionError("give reml= or REML=, not both.")
        changes["reml"] = changes.pop("REML")
    check_arguments("update", changes, set())
    arguments = {**m.arguments, **changes}
    text = m.formula.text
    if formula is not None:
        text = update_formula(m.formula, formula, arguments.get("context"))
        if data is None:
            rows = rows_of(m.design)
            new = parse_formula(text, columns=rows.columns, context=arguments.get("context"))
            if not isinstance(rows, Scan):
                check_left_side(rows, m.formula, new)
    return fit(text, rows_of(m.design) if data is None else data, **arguments)


def read_new_response(design: Design, y: object) -> FloatArray:
    """Return `y` on the rows used, as the engine has it (binomial: proportions).

    Raises
    ------
    DataError
        As :func:`refit`.
    """
    y = in_row_order(_one_column(y), (design.index, design.frame.index), "y")
    values = _numbers(design, y)
    if values.shape not in ((design.n,), (design.n_read,)):
        raise DataError(
            f"The new response has shape {values.shape}; the model has {design.n} rows."
        )
    if len(values) != design.n and design.kept is not None:
        values = values[design.kept]
    if not np.all(np.isfinite(values)):
        bad = int((~np.isfinite(values)).sum())
        raise DataError(f"The new response is missing or infinite in {bad} of the rows used.")
    if design.trials is None:
        return values
    if np.any((values < 0) | (values > design.trials)):
        raise DataError(
            f"The response {design.response_name} needs the number of successes of each row, "
            "between 0 and its trials."
        )
    trials = np.where(design.trials > 0, design.trials, 1.0)
    return np.asarray(values / trials)


def _on_every_row(design: Design, y: object) -> FloatArray | None:
    """Return a response of one number per row of the data; None if it is of the rows used."""
    values = np.asarray(_one_column(y))
    if values.shape != (design.n_read,) or values.dtype.kind not in "fiub":
        return None
    return values.astype(np.float64)


def _one_column(y: Any) -> Any:
    if hasattr(y, "columns") and hasattr(y, "iloc"):
        if y.shape[1] != 1:
            raise DataError(
                f"The new response has {y.shape[1]} columns; refit takes one: y['sim_1']."
            )
        return y.iloc[:, 0]
    return y


def _numbers(design: Design, y: object) -> FloatArray:
    """Return numbers; the labels of a response of labels become 0 (first label) and 1."""
    values = np.asarray(y)
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    if design.response_levels:
        codes, names = coded_vector(y, "y", "one value per row")
        table = match_names(names, design.response_levels)
        if (table[:-1] < 0).any():
            raise DataError(
                "The new response has the value "
                f"{brief(names.labels[int(np.argmin(table[:-1]))])}; the "
                f"model knows {', '.join(map(repr, design.response_levels[:5]))}."
            )
        return np.where(codes < 0, np.nan, table[codes] != 0)
    if values.dtype.kind == "c":
        raise DataError("The new response must hold real numbers; it is complex.")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError("The new response must hold numbers.") from None
