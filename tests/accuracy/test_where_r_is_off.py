"""Where R's printed numbers are off, and what decides: dense likelihoods that nothing interpolates.

R's numbers are those of r/where_r_is_off.R (R 4.2.2, lme4 1.1-31), on data that both bundle.
docs/accuracy.md shows the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

import mlpool
from mlpool.models.generalized_mixed import as_glmm_data

sys.path.insert(0, str(Path(__file__).parents[1]))
from twins.dense_glmm import laplace_deviance

PAGE = (Path(__file__).parents[2] / "docs" / "accuracy.md").read_text(encoding="utf-8")

PROFILES = {
    ("Dyestuff", "Yield ~ 1 + (1 | Batch)", ("Batch",)): {
        (".sig01", 0): 12.19853521, (".sigma", 0): 38.22998488,
    },
    ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", ("plate", "sample")): {
        (".sig02", 0): 1.0957893965, (".sig02", 1): 3.5562917781,
    },
}  # fmt: skip
"""Data, formula and groups -> (parameter, side) -> lme4's 95 % bound."""

BOUNDS = [
    (*model, row, side, r) for model, rows in PROFILES.items() for (row, side), r in rows.items()
]

GLMER_LOGLIK = -92.02656639
GLMER_SE = [0.2312140481, 0.3031506445, 0.3228301532, 0.4220491594]
LATE_LOGLIK = -92.02628187


def _dense_deviance(y: Any, kernels: Sequence[Any], sds: Any) -> float:
    """Return -2 log-likelihood of an intercept and random intercepts, from V itself."""
    V = sds[-1] ** 2 * np.eye(len(y))
    V = V + sum(s**2 * K for s, K in zip(sds[:-1], kernels, strict=True))
    L = np.linalg.cholesky(V)
    one, own = np.linalg.solve(L, np.column_stack([np.ones(len(y)), y])).T
    r = own - one * (one @ own) / (one @ one)
    return float(len(y) * np.log(2 * np.pi) + 2 * np.log(np.diag(L)).sum() + r @ r)


def _rise(model: Any, data: Any, groups: Sequence[str], which: int, value: float) -> float:
    """Return how far the deviance rises with one SD held at `value`, the others at their best."""
    y = model.design.y
    labels = [data[g].to_numpy() for g in groups]
    kernels = [(v[:, None] == v).astype(float) for v in labels]
    sds = np.array([*(b.sd[0] for b in mlpool.VarCorr(model).blocks), model.sigma])

    def deviance(logs: Any) -> float:
        return _dense_deviance(y, kernels, np.insert(np.exp(logs), which, value))

    start = np.log(np.delete(sds, which))
    # Steps and gains far below the fifth digit of the rise, the last that is compared.
    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000}
    best = minimize(deviance, start, method="Nelder-Mead", options=options).fun
    return float(best - _dense_deviance(y, kernels, sds))


@pytest.mark.parametrize(("name", "formula", "groups", "row", "side", "r"), BOUNDS)
def test_profile_bounds_stand_where_the_dense_deviance_has_risen_by_the_quantile(
    name: str, formula: str, groups: tuple[str, ...], row: str, side: int, r: float
) -> None:
    data = mlpool.load_data(name)
    model = mlpool.lmer(formula, data, REML=False)
    bound = float(mlpool.confint(model).loc[row].iloc[side])
    which = [f".sig{i + 1:02d}" for i in range(len(groups))] + [".sigma"]
    quantile = float(chi2.ppf(0.95, 1))
    ours = _rise(model, data, groups, which.index(row), bound)
    theirs = _rise(model, data, groups, which.index(row), r)
    assert abs(ours - quantile) < 2e-5 * quantile  # to the search's own last digits
    assert abs(theirs - quantile) > abs(ours - quantile)
    shown = f"{_five(r)} | {theirs:.5f} | {_five(bound)} | {ours:.5f} |"
    assert shown in PAGE


def _five(value: float) -> str:
    """Return five digits, the last ones zeros too."""
    return f"{value:#.5g}"


@pytest.fixture(scope="module")
def cbpp() -> Any:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mlpool.glmer(formula, mlpool.load_data("cbpp"), family="binomial")


def test_laplace_likelihood_is_the_dense_one_where_lme4_stops_early(cbpp: Any) -> None:
    data = as_glmm_data(cbpp.design, cbpp.family)
    theta, beta = np.asarray(cbpp.theta), cbpp.fixef().to_numpy()
    n_choose_k = laplace_deviance(data, theta, beta)
    assert cbpp.loglik == pytest.approx(-n_choose_k / 2, abs=1e-7)  # rounding of the dense search
    assert cbpp.loglik == pytest.approx(LATE_LOGLIK, abs=1e-7)
    assert cbpp.loglik - GLMER_LOGLIK > 2e-4
    assert f"{GLMER_LOGLIK:.5f}" in PAGE
    assert f"{cbpp.loglik:.5f}" in PAGE


def test_standard_errors_of_glmer_are_those_of_the_dense_hessian(cbpp: Any) -> None:
    data = as_glmm_data(cbpp.design, cbpp.family)
    at = np.concatenate([cbpp.theta, cbpp.fixef().to_numpy()])
    step = 1e-2 * np.concatenate([[1.0], cbpp.se.to_numpy()])  # of a few SEs: 4th-order formula

    def deviance(x: Any) -> float:
        return float(laplace_deviance(data, x[:1], x[1:]))

    hessian = _hessian(deviance, at, step)
    dense = np.sqrt(np.diag(np.linalg.inv(hessian / 2)))[1:]
    ours, theirs = cbpp.se.to_numpy(), np.array(GLMER_SE)
    # The differences' own error is about the fourth power of the step.
    np.testing.assert_allclose(ours, dense, rtol=1e-4)
    assert np.max(np.abs(theirs / dense - 1)) > 1e-2
    assert f"{theirs[1]:.5f}" in PAGE
    assert f"gives {dense[1]:.5f}, and so does mlpool ({ours[1]:.5f})" in PAGE.replace("\n", " ")


ZEROS = pd.DataFrame(
    {
        "x": range(1, 13),
        "y": [2, 4, 3, 6, 8, 7, 9, 12, 10, 13, 11, 15],
        "c": [1, 3, 2, 4, 6, 5, 3, 8, 9, 7, 9, 12],
        "w": [0, 1, 1, 2, 1, 0, 1, 3, 1, 1, 0, 2],
        "g": ["a", "b", "c", "d"] * 3,
    }
)
WITHOUT_ZEROS = {
    "lm": (9, -13.291311985, 33.174297703, 1.379307406),
    "glm": (9, -25.6373901823, 2 * 25.6373901823 + 2 * np.log(9), 1.0),
    "lmer": (9, -13.291311985, 35.371522280, 1.216434792),
    "glmer": (9, -25.63739018, 57.86645410, 1.0),
}
"""R's nobs, logLik, BIC and sigma without the rows of weight zero. With them: the same of lm and
glm, except that glm's BIC takes log(12) for log(9); lmer -Inf and 0.9713; glmer 12 rows."""


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("kind", list(WITHOUT_ZEROS))
def test_rows_of_weight_zero_count_nowhere(kind: str) -> None:
    options = {"reml": False} if kind == "lmer" else {}
    if kind.startswith("gl"):
        options = {"family": "poisson"}
    text = ("c ~ x" if kind.startswith("gl") else "y ~ x") + " + (1 | g)" * kind.endswith("er")
    fit = getattr(mlpool, kind)
    for data in (ZEROS, ZEROS[ZEROS["w"] > 0]):
        m = fit(text, data, weights="w", **options)
        found = (m.nobs, mlpool.logLik(m), mlpool.BIC(m), m.sigma)
        # R's fits stop at 1e-8 of the deviance.
        assert found == pytest.approx(WITHOUT_ZEROS[kind], rel=1e-7)
        assert list(mlpool.fitted(m).index) == [i for i in range(12) if ZEROS["w"][i]]
    assert "lme4's sigma is then 0.971 where 1.216" in PAGE.replace("\n", " ")


def _hessian(f: Any, at: Any, step: Any) -> Any:
    """Return second derivatives by central differences."""
    k, here = len(at), f(at)
    unit = np.diag(step)
    out = np.empty((k, k))
    single = [(f(at + e), f(at - e)) for e in unit]
    for i in range(k):
        up, down = single[i]
        out[i, i] = (up - 2 * here + down) / step[i] ** 2
        for j in range(i):
            both = f(at + unit[i] + unit[j]) + f(at - unit[i] - unit[j])
            mixed = both - sum(single[i]) - sum(single[j]) + 2 * here
            out[i, j] = out[j, i] = mixed / (2 * step[i] * step[j])
    return out
