"""Predictions of fitted models, on their own rows or on new ones."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd
from narwhals import col

from mlpool.errors import NotSupportedError, OptionError, brief, check_option
from mlpool.formula import BarTerm, Expression, parse_formula
from mlpool.formula.design import Design
from mlpool.hypotheses.estimability import warn_off_span
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.design import PushedDesign
from mlpool.sources.language.inverse_links import inverse_link
from mlpool.sources.lazy_rows import LazyRows, Native
from mlpool.sources.predictions import Predictor, refuse_taken
from mlpool.sources.scan import Scan, as_scan
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.formula.newdata import NewRows
    from mlpool.models.fitted import FittedModel
    from mlpool.models.generalized_mixed import GeneralizedLinearMixedModel
    from mlpool.models.mixed_model import MixedModel
    from mlpool.models.residual_covariance import ResidualModel
    from mlpool.models.single_level import GeneralizedLinearModel
    from mlpool.typing import DataLike, ReForm

_BLOCK = 1 << 16
_POLES = ("inverse", "1/mu^2")
_POLYNOMIALS = ("identity", "sqrt")
REACH = 9.0
"""SDs within which averages integrate: 1e-19 of a normal distribution lies beyond."""


def predict_ols(model: FittedModel, newdata: DataLike | None) -> pd.Series | Native:
    """Return X beta (+ offset)."""
    elsewhere = rows_elsewhere(model.design, newdata)
    if elsewhere is not None:
        return lazily(model, elsewhere, {}).to_native()
    if newdata is None:
        return model.fitted.rename("predicted")
    rows = model.design.new(newdata, random=False)
    return _series(_linear(model, rows), rows.index)


def predict_glm(
    model: GeneralizedLinearModel, newdata: DataLike | None, scale: str
) -> pd.Series | Native:
    """Return the linear predictor or the mean."""
    check_option(scale, ("link", "response"), argument="type")
    elsewhere = rows_elsewhere(model.design, newdata)
    if elsewhere is not None:
        return _on_scale(model, lazily(model, elsewhere, {}), scale)
    link = model.family.statsmodels().link
    if newdata is None:
        values = np.asarray(model.fit.fitted)
        return _series(values if scale == "response" else link(values), model.design.index)
    rows = model.design.new(newdata, random=False)
    eta = _linear(model, rows)
    return _series(link.inverse(eta) if scale == "response" else eta, rows.index)


def predict_lmm(
    model: MixedModel | ResidualModel,
    newdata: DataLike | None,
    re_form: ReForm,
    allow_new_levels: bool,
) -> pd.Series | Native:
    """Return X beta (+ offset) plus the part of Z b that ``re_form`` asks for.

    Raises
    ------
    OptionError
        For a `re_form` that is no part of the model.
    DataError
        For a new level without `allow_new_levels`.
    """
    used = random_parts(model, re_form)
    effects = {place: _only(model.fit.b[place], columns) for place, columns in used.items()}
    elsewhere = rows_elsewhere(model.design, newdata)
    if elsewhere is not None:
        return lazily(model, elsewhere, effects, allow_new_levels).to_native()
    if newdata is None:
        return _series(linear_predictor(model, effects), model.design.index)
    rows = model.design.new(newdata, allow_new_levels=allow_new_levels, random=list(used))
    eta = _linear(model, rows)
    for (z, codes), b in zip(rows.random, effects.values(), strict=True):
        eta = eta + np.einsum("ik,ik->i", z, np.vstack([b, np.zeros(b.shape[1])])[codes])
    return _series(eta, rows.index)


def rows_elsewhere(design: Design, newdata: object) -> Scan | None:
    """Return rows that are asked by queries: lazy new data, or those of a model fitted so."""
    if newdata is None and isinstance(design, PushedDesign):
        return design.own_rows
    if newdata is None and isinstance(design, CombinedDesign):
        return design.own_rows
    return as_scan(newdata)


def lazily(
    model: FittedModel,
    rows: Scan,
    effects: Mapping[int, FloatArray],
    allow_new_levels: bool = False,
    name: str = "predicted",
) -> LazyRows:
    """Return rows with a column of predictions, where they are."""
    refuse_taken(rows, (name,))
    predictor = Predictor(
        design=model.design, beta=all_coefficients(model), effects=effects,
        allow_new_levels=allow_new_levels,
    )  # fmt: skip
    return predictor.predict(rows, name)


def _on_scale(
    model: GeneralizedLinearModel | GeneralizedLinearMixedModel, rows: LazyRows, scale: str
) -> Native:
    """Return lazy rows whose predictions are on the link's scale or means, as their engine has."""
    if scale == "link":
        return rows.to_native()
    mean = inverse_link(model.family.link, col("predicted"))
    return rows.with_columns(mean.alias("predicted")).to_native()


def random_parts(model: MixedModel | ResidualModel, re_form: ReForm) -> dict[int, tuple[int, ...]]:
    """Return the columns of each random term (by its place) that `re_form` asks for.

    A formula such as ``"~ (1 | school)"`` takes some terms, or some columns of a term, as in lme4.

    Raises
    ------
    OptionError
        If it is no part of the model's random effects.
    """
    random = model.design.random
    if not _is_formula(re_form):
        every = {i: tuple(range(r.z.shape[1])) for i, r in enumerate(random)}
        return every if wants_random(re_form) else {}
    text = re_form if "~" in re_form else f"~ {re_form}"
    asked = parse_formula(text, context=model.design.encoding.context)
    found: dict[int, set[int]] = {}
    for bar in asked.bars:
        intercept = [None] if bar.terms.intercept else []
        for term in [*intercept, *(frozenset(t) for t in bar.terms.terms)]:
            columns = _columns_of_term(random, bar, term)
            if not columns:
                known = ", ".join(r.bar.label for r in random)
                raise OptionError(
                    f"re_form has {bar.label}, which is no part of the model's random effects: "
                    f"{known}."
                )
            for place, column in columns:
                found.setdefault(place, set()).add(column)
    return {i: tuple(sorted(found[i])) for i in sorted(found)}


def _columns_of_term(
    random: Any, bar: BarTerm, term: frozenset[Expression] | None
) -> list[tuple[int, int]]:
    """Return (random term, column) of a term, None being the intercept, of a group's effects."""
    found = []
    for place, r in enumerate(random):
        if set(r.bar.group) != set(bar.group):
            continue
        terms = [frozenset(t) for t in r.bar.terms.terms]
        for j, column in enumerate(r.z.columns):
            if (None if column.term < 0 else terms[column.term]) == term:
                found.append((place, j))
    return found


def _is_formula(re_form: ReForm) -> TypeGuard[str]:
    return isinstance(re_form, str) and "|" in re_form


def _only(b: FloatArray, columns: tuple[int, ...]) -> FloatArray:
    """Return the effects (levels, k) with those of other columns set to zero."""
    if len(columns) == b.shape[1]:
        return b
    kept = np.zeros_like(b)
    kept[:, columns] = b[:, columns]
    return kept


def predict_glmm(
    model: GeneralizedLinearMixedModel,
    newdata: DataLike | None,
    re_form: ReForm,
    allow_new_levels: bool,
    scale: str,
    averaged: bool,
) -> pd.Series | Native:
    """Return the linear predictor or the mean of a generalised mixed model.

    Raises
    ------
    OptionError
        For averages on the link scale, or of given random effects.
    NotSupportedError
        For averages of rows that are elsewhere.
    """
    check_option(scale, ("link", "response"), argument="type")
    elsewhere = rows_elsewhere(model.design, newdata)
    if elsewhere is not None and averaged:
        raise NotSupportedError(
            "averaged=True integrates at each row, which needs the rows in memory; predictions for "
            "random effects of zero are a query with re_form=False."
        )
    if elsewhere is not None:
        used = random_parts(model, re_form)
        effects = {place: _only(model.fit.b[place], columns) for place, columns in used.items()}
        return _on_scale(model, lazily(model, elsewhere, effects, allow_new_levels), scale)
    if averaged:
        if re_form is not None or scale == "link":
            raise OptionError(
                "averaged=True gives mean responses integrated over the random effects: it goes "
                "with type='response' and without re_form=."
            )
        eta = predict_lmm(model, newdata, False, allow_new_levels)
        variance = random_variance(model, newdata)
        return _series(mean_over_effects(model.family, eta.to_numpy(), variance), eta.index)
    eta = predict_lmm(model, newdata, re_form, allow_new_levels)
    return _series(model.family.inverse(eta.to_numpy()), eta.index) if scale == "response" else eta


def mean_over_effects(
    family: Any,
    eta: FloatArray,
    variance: FloatArray,
    function: Callable[[FloatArray], FloatArray] | None = None,
) -> FloatArray:
    """Return the mean of the inverse link at ``eta + N(0, variance)`` by the trapezoidal rule.

    `function` is taken in its place where there is one: its derivatives, say.

    A linear combination of normal random effects is normal: one dimension is enough. Steps of h
    SDs leave an error of ``exp(-2 pi d / h)`` where the integrand is analytic within d of the real
    line (Trefethen & Weideman 2014, SIAM Rev. 56, 385-458); the links' are within ``pi / (2 sd)``.

    Raises
    ------
    NotSupportedError
        For inverse links whose predictors come near zero.
    """
    of = family.inverse if function is None else function
    sd = np.sqrt(variance)
    if family.link in _POLES and np.any(eta <= REACH * sd):
        raise NotSupportedError(
            "The mean response over the random effects does not exist with the link "
            f"{family.link}: predictors reach zero, where the mean is infinite. Predictions for "
            "random effects of zero are there with re_form=False; a log link has averages."
        )
    # In the response's own units an SD of the linear predictor says nothing of a step in z: there
    # are no poles but those that were refused.
    largest = 0.0 if family.link in (*_POLES, *_POLYNOMIALS) else float(sd.max(initial=0.0))
    # exp(sd z) moves the integrand's bulk by sd.
    reach = REACH + (largest if family.link == "log" else 0.0)
    step = min(0.5, 0.3 / largest) if largest > 0 else 0.5
    nodes = np.linspace(-reach, reach, 1 + 2 * int(np.ceil(reach / step)))
    weights = np.exp(-0.5 * nodes**2)
    total = np.zeros_like(eta)
    for x, w in zip(nodes, weights, strict=True):
        total += w * of(eta + x * sd)
    return np.asarray(total / weights.sum())


def random_variance(
    model: MixedModel, newdata: DataLike | None, known: Container[int] = ()
) -> FloatArray:
    """Return ``z'G z`` of every row, summed over the terms but those in `known` (by place)."""
    blocks = [block.vcov for block in model.varcorr().blocks]
    if newdata is None:
        columns = [r.z.rows(0, model.design.n) for r in model.design.random]
    else:
        columns = [z for z, _ in model.design.new(newdata, allow_new_levels=True).random]
    total = np.zeros(len(columns[0]))
    for place, (z, block) in enumerate(zip(columns, blocks, strict=True)):
        if place not in known:
            total += np.einsum("ia,ab,ib->i", z, block, z)
    return total


def wants_random(re_form: ReForm) -> bool:
    """Return whether estimated random effects are meant: None yes, False (R's NA) no."""
    if re_form is None:
        return True
    if re_form is False or (isinstance(re_form, str) and re_form in ("NA", "~0")):
        return False
    if isinstance(re_form, float) and np.isnan(re_form):
        return False
    raise OptionError(
        "re_form must be None or False, or a formula such as '~ (1 | school)'; got "
        f"{brief(re_form)}."
    )


def linear_predictor(
    model: FittedModel, with_random: bool | Mapping[int, FloatArray]
) -> FloatArray:
    """Return X beta (+ offset) on the model's own rows (n,), plus Z b if `with_random`.

    `with_random` may be the effects (levels, k) of some terms, by their places.
    """
    design, n = model.design, model.design.n
    out: FloatArray = design.X.dot(all_coefficients(model))
    if isinstance(with_random, bool):
        with_random = dict(enumerate(mixed_fit(model).b)) if with_random else {}
    for place, b in with_random.items():
        random = design.random[place]
        for start in range(0, n, _BLOCK):
            rows = slice(start, min(start + _BLOCK, n))
            effects = b[random.codes[rows]]
            z = random.z.rows(rows.start, rows.stop)
            out[rows] += np.einsum("ik,ik->i", z, effects)
    if design.offset is not None:
        out += design.offset
    return out


def _linear(model: FittedModel, rows: NewRows) -> FloatArray:
    warn_off_span(model, rows)
    eta = rows.dot(all_coefficients(model))
    return eta if rows.offset is None else eta + rows.offset


def all_coefficients(model: FittedModel) -> FloatArray:
    """Return a coefficient for every column of X: zero where it was dropped as aliased."""
    beta = np.zeros(model.design.X.shape[1])
    beta[model.fit.kept] = model.fit.beta
    return beta


def _series(values: FloatArray, index: pd.Index) -> pd.Series:
    return pd.Series(np.asarray(values), index=index, name="predicted")
