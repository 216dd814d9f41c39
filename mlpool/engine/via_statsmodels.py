"""statsmodels as an engine: OLS, WLS, GLM and MixedLM, returned as mlpool's own records."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mlpool.engine.glm.likelihood import prior_weights
from mlpool.engine.lmm.fit import fit_at
from mlpool.engine.rank import independent_columns
from mlpool.engine.theta import Template, lower_form
from mlpool.engine.types import LmmData, LmmFit, OlsFit
from mlpool.errors import FitError, NotSupportedError
from mlpool.families import Family
from mlpool.typing import FloatArray

_GLM_TOL = 1e-8
"""R's relative change of the deviance (``glm.control``)."""
_GLM_ITERATIONS = 100
_WIDE = 100
"""Columns from which statsmodels' SVD is faster than its QR."""
_LIKE_SCALE = 1e6
"""Ratio of column lengths up to which the SVD's cut-off (1e-15) is far away."""


def fit_ols(
    y: FloatArray,
    X: FloatArray,
    weights: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> OlsFit:
    """Fit ordinary or weighted least squares with ``statsmodels.OLS`` / ``WLS``.

    Parameters
    ----------
    y : ndarray (n,)
    X : ndarray (n, p)
        Aliased columns are left out as R does.
    weights, offset : ndarray (n,) or None

    Raises
    ------
    FitError
        If X has no column or there are no rows to spare.
    """
    import statsmodels.api as sm

    kept = independent_columns(X if weights is None else X * np.sqrt(weights)[:, None])
    target = y if offset is None else y - offset
    Xk = X if len(kept) == X.shape[1] else X[:, kept]
    if not len(kept):
        raise FitError(
            "The formula leaves no column to estimate; keep the intercept or a predictor."
        )
    model = sm.OLS(target, Xk) if weights is None else sm.WLS(target, Xk, weights=weights)
    result = model.fit(method=_solver(Xk))
    fitted = np.asarray(Xk @ result.params)
    n, p = len(y), len(kept)
    w = np.ones(n) if weights is None else weights
    rss = float(w @ (target - fitted) ** 2)
    df = n - p
    # exact fits leave rounding noise, whose logarithm means nothing but must not stop a fit: the
    # smallest number stands in for zero only
    spread = max(rss, np.finfo(float).tiny)
    loglik = 0.5 * (np.log(w).sum() - n * (np.log(2 * np.pi) + 1 - np.log(n) + np.log(spread)))
    mean = float(w @ target / w.sum()) if _has_constant(Xk) else 0.0
    return OlsFit(
        beta=np.asarray(result.params),
        kept=kept,
        vcov_unscaled=np.asarray(result.normalized_cov_params),
        sigma=float(np.sqrt(rss / df)) if df > 0 else float("nan"),
        rss=rss,
        loglik=float(loglik),
        n=n,
        df_residual=df,
        fitted=fitted if offset is None else fitted + offset,
        null_deviance=float(w @ (target - mean) ** 2),
        dispersion=rss / df if df > 0 else float("nan"),
        raw=result,
    )


def _solver(X: FloatArray) -> str:
    """Return statsmodels' method: its SVD is faster for wide X, but needs columns of like scale."""
    if X.shape[1] <= _WIDE:
        return "qr"
    size = np.sqrt(np.einsum("ij,ij->j", X, X))
    return "pinv" if float(size.max()) < _LIKE_SCALE * float(size.min()) else "qr"


def glm_results(  # noqa: PLR0913 - one argument per symbol of the formula
    y: FloatArray,
    X: FloatArray,
    family: Family,
    *,
    trials: FloatArray | None = None,
    weights: FloatArray | None = None,
    offset: FloatArray | None = None,
    start: FloatArray | None = None,
) -> Any:
    """Return statsmodels' own results of a generalised linear model; arguments as ``fit_glm``.

    Parameters
    ----------
    start : ndarray (p_kept,), optional
        mlpool's estimate: statsmodels checks it and adds its own tables.
    """
    import statsmodels.api as sm

    Xk = X[:, independent_columns(X)]
    prior = prior_weights(len(y), trials, weights)
    endog: Any = y
    options: dict[str, Any] = {"var_weights": prior}
    if family.name == "binomial":
        endog, options = np.column_stack([y * prior, (1 - y) * prior]), {}
    with warnings.catch_warnings():
        # statsmodels warns of R's default links, too; what matters is said by the caller
        warnings.simplefilter("ignore")
        model = sm.GLM(endog, Xk, family=family.statsmodels(), offset=offset, **options)
        try:
            return model.fit(
                start_params=start, atol=0.1 * _GLM_TOL, rtol=_GLM_TOL, maxiter=_GLM_ITERATIONS
            )
        except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
            raise FitError(
                f"statsmodels cannot fit the {family} model: {str(error).splitlines()[0]}"
            ) from None


def fit_mixedlm(data: LmmData, *, reml: bool = True) -> LmmFit:
    """Fit what ``MixedLM`` can: one grouping factor, one correlated term or scalar ones.

    MixedLM finds theta; modes and the likelihood come from the same formulas as for mlpool's own
    engine, so both engines fill one record.

    Raises
    ------
    NotSupportedError
        For several grouping factors, several correlated terms, weights.
    FitError
        If MixedLM fails.
    """
    import statsmodels.api as sm

    _check_mixedlm(data)
    n = data.n
    X = data.X.rows(0, n)
    kept = independent_columns(X)
    target = data.y if data.offset is None else data.y - data.offset
    # theta knows only the span of X, and scales with the columns of Z: MixedLM needs neat ones.
    Q = np.linalg.qr(X[:, kept] / np.sqrt(np.einsum("ij,ij->j", X, X))[kept])[0]
    target = target - Q @ (Q.T @ target)
    moved = [_neat(t.z.rows(0, n)) for t in data.terms]
    Zs = [Z for Z, _ in moved]
    groups = np.asarray(data.terms[0].codes)
    scale = float(np.std(target)) or 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if len(Zs) == 1:
                model = sm.MixedLM(target / scale, Q, groups, exog_re=Zs[0])
            else:
                model = sm.MixedLM(
                    target / scale, Q, groups,
                    exog_vc=_components(Zs, groups),
                )  # fmt: skip
            # the response is divided by its scale, so that the gradient has no unit
            result = model.fit(reml=reml, method=["bfgs", "lbfgs"], gtol=1e-9)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise FitError(f"statsmodels' MixedLM failed: {str(error).splitlines()[0]}") from None
    theta = _theta(result, [C for _, C in moved])
    record = fit_at(data, theta, reml=reml)
    from dataclasses import replace

    return replace(record, engine="statsmodels", raw=result)


def _neat(Z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Z C and C (k, k): columns about their means beside a constant, in their SDs."""
    constant = np.flatnonzero((Z == 1.0).all(axis=0))
    C = np.eye(Z.shape[1])
    if constant.size:
        C[constant[0]] -= np.where(np.arange(len(C)) == constant[0], 0.0, Z.mean(axis=0))
    size = np.sqrt(np.mean((Z @ C) ** 2, axis=0))
    C = C / np.where(size > 0, size, 1.0)
    return Z @ C, C


def _theta(result: Any, back: list[FloatArray]) -> FloatArray:
    if len(back) == 1:
        relative = np.atleast_2d(np.asarray(result.cov_re)) / result.scale
        values, vectors = np.linalg.eigh((relative + relative.T) / 2)
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        return Template((len(root),)).pack([lower_form(back[0] @ root)])
    variances = np.clip(np.asarray(result.vcomp) / result.scale, 0.0, None)
    return np.asarray(np.sqrt(variances) * [C[0, 0] for C in back])


def _components(Zs: list[FloatArray], groups: Any) -> Any:
    from statsmodels.regression.mixed_linear_model import VCSpec

    labels = np.unique(groups)
    rows = [np.flatnonzero(groups == g) for g in labels]
    names = [f"c{i:03d}" for i in range(len(Zs))]
    mats = [[Z[r] for r in rows] for Z in Zs]
    return VCSpec(names, [[[name] for _ in rows] for name in names], mats)


def _check_mixedlm(data: LmmData) -> None:
    hint = "use mlpool's own engine (engine='auto')."
    if len({t.factor for t in data.terms}) > 1:
        raise NotSupportedError(f"statsmodels' MixedLM fits one grouping factor; {hint}")
    if data.weights is not None:
        raise NotSupportedError(f"statsmodels' MixedLM takes no weights; {hint}")
    if len(data.terms) > 1 and any(t.z.shape[1] > 1 for t in data.terms):
        raise NotSupportedError(
            f"statsmodels' MixedLM cannot mix correlated and independent terms; {hint}"
        )


def _has_constant(X: FloatArray) -> bool:
    """Tell whether a column of ones is among the columns (R's ``attr(terms, "intercept")``)."""
    return bool((X == 1.0).all(axis=0).any())
