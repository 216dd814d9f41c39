"""Lines about the whole model below its table: formula, sigma, RMSE, R2."""

from __future__ import annotations

from typing import Any

import numpy as np

_BLOCK = 1 << 16


def info_lines(model: Any) -> tuple[str, ...]:
    """Return the lines of ``include_info=True``; R2 for models with a normal response."""
    lines = [
        f"Model: {fixed_formula(model.formula.text)} ({model.nobs} Observations)",
        f"Sigma: {model.sigma:.3f} (df = {model.df_residual})",
        f"RMSE : {float(np.sqrt(np.mean(np.asarray(model.resid) ** 2))):.3f}",
    ]
    if model.kind == "lm":
        r2, adjusted = r2_linear(model)
        lines.append(f"R2: {r2:.3f}; adjusted R2: {adjusted:.3f}")
    elif model.kind == "lmer":
        conditional, marginal = r2_mixed(model)
        text = "NA" if np.isnan(conditional) else f"{conditional:.3f}"
        lines.append(f"Conditional R2: {text}; Marginal R2: {marginal:.3f}")
    return tuple(lines)


def fixed_formula(text: str) -> str:
    """Return a formula's text without its random terms.

    Examples
    --------
    >>> fixed_formula("math ~ ses + (1 + ses | school)")
    'math ~ ses'
    """
    left, _, right = text.partition("~")
    terms = [term for term in _top_level_terms(right) if "|" not in term]
    return f"{left.strip()} ~ {' + '.join(terms) or '1'}"


def _top_level_terms(text: str) -> list[str]:
    """Return what stands between the plus signs outside brackets and backticks."""
    terms, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == "`"
        depth += (char in "([{") - (char in ")]}")
        if char == "+" and depth == 0 and not quoted:
            terms.append("")
        else:
            terms[-1] += char
    return [term.strip() for term in terms if term.strip()]


def r2_linear(model: Any) -> tuple[float, float]:
    """Return R2 and its adjusted form, about the mean if the model has an intercept."""
    y, weights = model.design.y, model.design.weights
    w = np.ones(len(y)) if weights is None else weights
    fitted = np.asarray(model.fitted)
    has_intercept = bool(model.formula.fixed.intercept)
    centre = np.average(fitted, weights=w) if has_intercept else 0.0
    explained = float(w @ (fitted - centre) ** 2)
    residual = float(w @ (y - fitted) ** 2)
    r2 = explained / (explained + residual)
    return r2, 1.0 - (1.0 - r2) * (model.nobs - has_intercept) / model.df_residual


def r2_mixed(model: Any) -> tuple[float, float]:
    """Return conditional and marginal R2; the conditional one is missing for a singular fit.

    ``var_fixed = Var(X beta)``, ``var_random = mean_i z_i' Sigma z_i``:

        marginal = var_fixed / total,  conditional = (var_fixed + var_random) / total

    References
    ----------
    Nakagawa & Schielzeth (2013), Methods Ecol. Evol. 4; Johnson (2014), ibid. 5 (random slopes).
    """
    eta = np.asarray(model.predict(re_form=False))
    var_fixed = float(np.var(eta, ddof=1))
    blocks = zip(model.varcorr().blocks, model.design.random, strict=True)
    var_random = sum(_mean_variance(random.z, block.vcov) for block, random in blocks)
    if model.is_singular:
        return float("nan"), var_fixed / (var_fixed + model.sigma**2)
    total = var_fixed + var_random + model.sigma**2
    return (var_fixed + var_random) / total, var_fixed / total


def _mean_variance(z: Any, vcov: Any) -> float:
    n, total = z.shape[0], 0.0
    for start in range(0, n, _BLOCK):
        rows = z.rows(start, min(start + _BLOCK, n))
        total += float(np.einsum("ik,kl,il->", rows, vcov, rows))
    return total / int(n)
