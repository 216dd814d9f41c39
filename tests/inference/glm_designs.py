"""Small GLM fits, iterated to the last digit, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mlpool.families import Family
from mlpool.inference.profiles.glm import GlmProblem
from mlpool.inference.sandwich.heteroscedastic import ScoreRows


def cbpp(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "cbpp.csv")


def model(shared: Path, case_id: str) -> tuple[GlmProblem, np.ndarray]:
    """Return the model and the cluster codes of a case of glm.json."""
    if case_id == "glm_cbpp":
        d = cbpp(shared)
        X = np.column_stack([np.ones(len(d)), *(d.period == k for k in (2, 3, 4))])
        size = d["size"].to_numpy(float)
        y = d.incidence.to_numpy() / size
        return GlmProblem(y=y, X=X, family=Family("binomial", "logit"), weights=size), d.herd
    if case_id == "glm_heck":
        d = pd.read_csv(shared / "data" / "heck2011.csv")
        X = np.column_stack([np.ones(len(d)), d.ses, d.female])
        y = (d.math > 60).to_numpy(float)
        return GlmProblem(y=y, X=X, family=Family("binomial", "logit")), d.school.to_numpy()
    d = pd.read_csv(shared / "data" / "epilepsy.csv")
    X = np.column_stack(
        [np.ones(len(d)), d.treat, d.log_baseline, d.log_age, d.treat * d.log_baseline]
    )
    family = Family("poisson", "log")
    return GlmProblem(y=d.seizures.to_numpy(float), X=X, family=family), d.patient.to_numpy()


def fit(problem: GlmProblem) -> tuple[np.ndarray, ScoreRows]:
    """Plain Fisher scoring from the linked data, 50 steps."""
    f, X, y = problem.family, problem.X, problem.y
    w = np.ones(len(y)) if problem.weights is None else problem.weights
    inside = (y * w + 0.5) / (w + 1) if f.name == "binomial" else y + 0.1
    eta = f.link_of(inside)
    for _ in range(50):
        slope = f.derivative(eta)
        W = w * slope**2 / f.variance(f.inverse(eta))
        resid = (y - f.inverse(eta)) / slope
        beta = np.linalg.solve(X.T @ (W[:, None] * X), X.T @ (W * (eta + resid)))
        eta = X @ beta
    slope = f.derivative(eta)
    W = w * slope**2 / f.variance(f.inverse(eta))
    bread = np.linalg.inv(X.T @ (W[:, None] * X))
    resid = (y - f.inverse(eta)) / slope
    return beta, ScoreRows(X=X, resid=resid, bread=bread, weights=W, mu_eta=slope)


def score_rows(shared: Path, case_id: str) -> tuple[ScoreRows, np.ndarray]:
    problem, codes = model(shared, case_id)
    return fit(problem)[1], np.asarray(codes)


def fit_rows(y: np.ndarray, X: np.ndarray, family: Family, weights: np.ndarray) -> ScoreRows:
    return fit(GlmProblem(y=y, X=X, family=family, weights=weights))[1]
