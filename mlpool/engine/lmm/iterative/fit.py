"""A linear mixed model with crossed factors that are both large, without a dense block.

The criterion is that of :mod:`mlpool.engine.lmm.several_factors`; what differs is how V is solved
(:mod:`.elimination`), that theta is found where the scores vanish (:mod:`score_search`), and that
the traces in the scores and log|V| carry a Monte Carlo error. Probes are added until theta's error
is a small share of its standard error, and those of log|V| until the deviance's is small.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.engine.factorization.blocks import dense_core_bytes, find_structure
from mlpool.engine.factorization.stochastic_lanczos import log_determinant
from mlpool.engine.lmm.identifiability import EXPLAINED, check_estimable, square_of_rounding
from mlpool.engine.lmm.iterative.elimination import IterativePass
from mlpool.engine.lmm.iterative.parts import IterativeParts, one_first
from mlpool.engine.lmm.iterative.score_search import Root, find_root
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.lmm.several_factors_sums import nested_pairs
from mlpool.engine.lmm.user_start import user_start
from mlpool.engine.optimizer.convergence import singular_finding
from mlpool.engine.optimizer.diagnostics import search_diagnostics
from mlpool.engine.sums.cross_sums import grouping_factors
from mlpool.engine.theta import Template
from mlpool.engine.types import Control, Diagnostic, LmmData, LmmFit, MonteCarlo, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray

DENSE_EFFECTS = 4_000
"""Random effects in a dense core from which a fit takes the iterative solver by itself."""
LEAST_PROBES = 24
"""Probes of the scores from which their own error is known well enough."""
MOST_PROBES = 2_048
"""Probes of the scores after which the error is told as it is."""
SPARE = 1.2
"""More probes than the error of before asks for: it is itself known to a few digits only."""


def takes_iterations(data: LmmData, control: Control) -> bool:
    """Tell whether a model of several factors is fitted without its dense core.

    By ``control.solver``; by itself where the core has more than ``DENSE_EFFECTS`` random effects
    or needs more memory than ``control.max_dense_bytes``.
    """
    if control.solver is not None:
        return control.solver == "iterative" and bool(one_first(grouping_factors(data)).core)
    factors = grouping_factors(data)
    structure = find_structure(factors, nested_pairs(data, factors, control.batch_rows))
    n2 = sum(factors[i].n_effects for i in structure.core)
    return n2 > DENSE_EFFECTS or dense_core_bytes(n2) > control.max_dense_bytes


def fit_iterative(data: LmmData, *, reml: bool, control: Control) -> LmmFit:
    """Fit by REML or ML with conjugate gradients; `data` have several grouping factors.

    Raises
    ------
    FitError
        If the data cannot identify the model or the iterations do not converge.
    DataError
        If a weight is not positive.
    """
    template = Template(tuple(t.z.shape[1] for t in data.terms))
    parts = IterativeParts.of_data(data, control)
    objective = SeveralFactors(parts, template, parts.kept, reml=reml)
    check_estimable(objective)
    start = objective.start()[0] if control.start is None else user_start(control, template)
    near = find_root(objective, start, control)
    at, evaluations, probes = near.theta, near.evaluations, LEAST_PROBES
    while True:
        parts = parts.with_probes(probes)
        objective = SeveralFactors(parts, template, parts.kept, reml=reml)
        root = find_root(objective, at, control)
        evaluations += root.evaluations + 1
        noise = _ScoreNoise(objective, root.theta)
        if noise.share <= control.theta_error or probes >= MOST_PROBES:
            break
        wanted = SPARE * probes * (noise.share / control.theta_error) ** 2
        at, probes = root.theta, min(int(np.ceil(wanted)), MOST_PROBES)
    if objective.solve(root.theta).pwrss <= square_of_rounding(objective):
        raise FitError(EXPLAINED)
    root = replace(root, start=start, evaluations=evaluations)
    return _estimates(objective, root, noise, control)


class _ScoreNoise:
    """Curvature and Monte Carlo error of the scores at the user's theta.

    Attributes
    ----------
    gradient : ndarray (k,)
    hessian : ndarray (k, k)
        Average information, of the profiled deviance.
    error : ndarray (k,)
        Monte Carlo standard error of theta.
    share : float
        The largest error as a share of its standard error.
    """

    def __init__(self, objective: SeveralFactors, theta: FloatArray) -> None:
        _, self.gradient = objective.evaluate(theta)
        self.hessian = objective.hessian(theta)
        found = objective.solve(theta).parts
        assert isinstance(found, IterativePass)
        parts, template = objective.parts, objective.template
        samples = np.zeros((found.probes, template.k))
        for f, G in zip(objective.order, found.information_samples(), strict=True):
            where, row, col = parts.entries(template, f)
            T, Lam = parts.columns[f].T, parts.block_diagonal(template, theta, f)
            samples[:, where] = 2.0 * (T.T @ G @ T @ Lam)[:, row, col]
        self.inverse = inverse_information(self.hessian)
        moved = (samples - samples.mean(axis=0)) @ self.inverse
        variances = (moved**2).sum(axis=0) / (len(samples) * (len(samples) - 1))
        # What the search left of the scores counts as an error, too.
        self.error = np.hypot(np.sqrt(variances), self.inverse @ self.gradient)
        se = np.sqrt(2.0 * np.clip(np.diag(self.inverse), 0.0, None))
        shares = np.divide(self.error, se, out=np.zeros_like(se), where=se > 0.0)
        self.share = float(shares.max(initial=0.0))


FLAT = 1e-9
"""Eigenvalues of the information, scaled to a unit diagonal, that are rounding of zero."""


def inverse_information(H: FloatArray) -> FloatArray:
    """Return the inverse; directions of which the data tell nothing have none."""
    bend = np.diag(H)
    size = np.where(bend > 0.0, 1.0 / np.sqrt(np.where(bend > 0.0, bend, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(H * np.outer(size, size))
    kept = values > FLAT
    vectors = vectors[:, kept] * size[:, None]
    return np.asarray((vectors / values[kept]) @ vectors.T)


def _estimates(
    objective: SeveralFactors,
    root: Root,
    noise: _ScoreNoise,
    control: Control,
) -> LmmFit:
    """Turn the root into estimates, with log|V| made now."""
    theta, fixed = root.theta, objective.fixed
    found = objective.solve(theta)
    passed = found.parts
    assert isinstance(passed, IterativePass)
    sigma = float(np.sqrt(found.pwrss / objective.m))
    rest = log_determinant(passed.schur, control.seed, control.deviance_error)
    logdet = passed.schur.logdet + rest.value
    value = logdet + objective.m * (1.0 + np.log(2.0 * np.pi * found.pwrss / objective.m))
    value += (found.logdet_RX2 if objective.reml else 0.0) - objective.sum_log_weights
    C, dPhi = _moved(objective, theta, noise)
    optimum = Optimum(
        start=root.start, end=theta, criterion=value, gradient=noise.gradient,
        evaluations=root.evaluations, converged=root.converged,
        method="average information on scores from seeded probes",
        message="converged" if root.converged else f"stopped after {root.evaluations} evaluations",
    )  # fmt: skip
    record = MonteCarlo(
        seed=control.seed,
        probes=passed.probes,
        theta_error=noise.error,
        theta_share=noise.share,
        deviance_error=rest.error,
        deviance_probes=rest.probes,
        C=C,
        dPhi=dPhi,
    )
    return LmmFit(
        beta=fixed.back @ -found.v[:-1] + fixed.shift,
        kept=objective.kept,
        vcov_unscaled=fixed.back @ found.Sxx_inverse @ fixed.back.T,
        theta=theta,
        sigma=sigma,
        criterion=float(value),
        pwrss=found.pwrss,
        logdet_L2=float(logdet),
        logdet_RX2=found.logdet_RX2,
        reml=objective.reml,
        n=objective.n,
        b=objective.modes(theta),
        cond_cov=objective.covariances(theta, sigma),
        optimum=optimum,
        diagnostics=_findings(objective, optimum, record, control),
        monte_carlo=record,
    )


def _moved(
    objective: SeveralFactors, theta: FloatArray, noise: _ScoreNoise
) -> tuple[FloatArray, FloatArray]:
    """Return the covariance C of (theta, log sigma^2), and how they move Var(beta-hat).

    With a_i = y'P V_i P y and s = log sigma^2 the deviance has D_ss = m and D_s,theta = (m/r^2) a;
    dVar(beta) / dtheta_i = sigma^2 S_xx^-1 (X'V^-1 V_i V^-1 X) S_xx^-1.
    """
    found, k, p = objective.solve(theta), objective.template.k, objective.p
    s2, back = found.pwrss / objective.m, objective.fixed.back
    slopes = np.zeros((k, p + 1, p + 1))
    E = objective.by_factor(found.parts.rest())
    for f, e in zip(objective.order, E, strict=True):
        where, row, col = objective.parts.entries(objective.template, f)
        T = objective.parts.columns[f].T
        Lam = T @ objective.parts.block_diagonal(objective.template, theta, f)
        products = np.einsum("ajx,bjy->abxy", e, e, optimize=True)
        for at, r, c in zip(where, row, col, strict=True):
            half = np.einsum("a,b,abxy->xy", T[:, r], Lam[:, c], products)
            slopes[at] = half + half.T
    a = np.einsum("x,ixy,y->i", found.v, slopes, found.v) / s2
    H = np.empty((k + 1, k + 1))
    H[:k, :k] = noise.hessian + np.outer(a, a) / objective.m
    H[:k, k] = H[k, :k] = a
    H[k, k] = objective.m
    own = found.Sxx_inverse
    dPhi = np.empty((k + 1, p, p))
    for i in range(k):
        dPhi[i] = s2 * back @ own @ slopes[i, :p, :p] @ own @ back.T
    dPhi[k] = s2 * back @ own @ back.T
    return 2.0 * inverse_information(H), dPhi


def _findings(
    objective: SeveralFactors, optimum: Optimum, record: MonteCarlo, control: Control
) -> tuple[Diagnostic, ...]:
    """Return what should be said: a search cut short, errors above what was asked, a boundary."""
    found = list(search_diagnostics(optimum, 0.0, control))
    if record.theta_share > control.theta_error or record.deviance_error > control.deviance_error:
        found.append(
            Diagnostic(
                code="monte_carlo",
                severity="warning",
                value=max(
                    record.theta_share / control.theta_error,
                    record.deviance_error / control.deviance_error,
                ),
                threshold=1.0,
            )
        )
    tol = control.singular_tol
    theta, standards = optimum.end, objective.standards
    return (*found, *singular_finding(objective.template, standards, theta, tol))
