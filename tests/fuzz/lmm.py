"""Facts of linear mixed models: every number by its dense definition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import optimize

import mlpool
from mlpool.engine.lmm.fit import criterion_at
from mlpool.engine.types import LmmData
from tests.fuzz import dense
from tests.fuzz.designs import Study, warned

WORSE = 1e-4
"""Deviance above the best point found that makes an optimum a local one."""


def far(got: Any, want: Any, rel: float, floor: Any = 0.0) -> float:
    """Return the largest excess of |got - want| over its tolerance, 0 if there is none."""
    got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    if got.shape != want.shape:
        return float("inf")
    if not got.size:
        return 0.0
    both = np.isnan(got) & np.isnan(want)
    same = both | (got == want)
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(got - want))
        bound = rel * np.maximum(np.abs(want), np.abs(got)) + floor
        excess = np.where(same, 0.0, error / np.where(bound > 0, bound, 1e-300))
    excess = np.where(np.isnan(excess), np.inf, excess)
    return float(excess.max()) if excess.max() > 1 else 0.0


def takes_up_its_effects(m: Any, study: Study) -> bool:
    """Tell whether a grouping factor is fixed, too: nothing is known of its variance then."""
    fixed = re.split(r"[~+ ]+", study.formula.split("(")[0])
    return any(r.group in fixed for r in m.design.random)


def facts(study: Study) -> Iterator[str]:
    """Yield what does not hold."""
    try:
        m, _ = warned(study.fit)
    except mlpool.MlpoolError as error:
        if not any(text in str(error) for text in ("there must be fewer", "as many levels")):
            yield f"refused: {error}"
        return
    data = dense.data_of(m)
    kept = np.asarray(m.fit.kept)
    rows = dense.rows_of(data, kept)
    try:
        d = dense.dense_at(rows, m.theta, reml=m.reml)
    except np.linalg.LinAlgError:
        yield "dense covariance not positive definite"
        return
    yield from _estimates(m, data, rows, d)
    yield from _global(m, data, rows, d)
    if not takes_up_its_effects(m, study):
        yield from _small_sample(m, rows)


def _estimates(m: Any, data: LmmData, rows: dense.Rows, d: dense.Dense) -> Iterator[str]:
    scale = max(abs(d.value), data.n)
    theta_size = max(1.0, max(float(np.abs(f).max()) for f in dense.factors(rows, m.theta)))
    digits = 1e-9 * theta_size  # digits that a large relative SD leaves
    if far(m.criterion, d.value, 0, 1e-9 * scale * theta_size**0.5):
        yield f"criterion {m.criterion!r} for {d.value!r}"
    again, _ = criterion_at(data, m.theta, reml=m.reml)
    if far(again, d.value, 0, 1e-9 * scale * theta_size**0.5):
        yield f"criterion_at {again!r} for {d.value!r}"
    if far(m.sigma, d.sigma, 1e-6):
        yield f"sigma {m.sigma!r} for {d.sigma!r}"
    se = np.sqrt(np.diag(d.vcov)).astype(float)
    if far(m.fixef().to_numpy(), d.beta, digits, 1e-6 * se):
        yield f"beta {m.fixef().to_numpy()} for {d.beta.astype(float)}, se {se}"
    if far(m.se.to_numpy(), se, 1e-6):
        yield f"se {m.se.to_numpy()} for {se}"
    ml = d.log_det + data.n * (1 + np.log(2 * np.pi * d.pwrss / data.n))
    if far(m.deviance, ml, 0, 1e-9 * scale * theta_size**0.5):
        yield f"deviance {m.deviance} for {ml}"
    covariances = m.fit.cond_cov() if callable(m.fit.cond_cov) else m.fit.cond_cov
    for t, (modes, sds) in enumerate(dense.modes_at(rows, d, data, m.theta)):
        size = np.abs(modes).max() + sds.max() * 1e-3
        own = np.sqrt(np.clip(np.einsum("jkk->jk", covariances[t]), 0, None))
        column = np.abs(modes).max(axis=0) + sds.max(axis=0) * 1e-3
        if far(m.fit.b[t], modes, 0, 1e-5 * column):
            yield f"modes of term {t}: {np.abs(m.fit.b[t] - modes).max()} of {size}"
        if far(own, sds, 1e-5, 1e-7 * sds.max(axis=0)):
            yield f"conditional SDs of term {t}: {own[:3]} for {sds[:3]}"


class _Quick:
    """The criterion in double precision by eigen-free dense algebra, for searches."""

    def __init__(self, rows: dense.Rows, *, reml: bool) -> None:
        self.reml = reml
        self.Q = rows.Q.astype(float)
        gamma = rows.Q.T @ rows.y
        self.y = (rows.y - rows.Q @ gamma).astype(float)  # REML and ML profile beta out
        self.Z = [z.astype(float) for z in rows.Z]
        self.same = [s.astype(float) for s in rows.same]
        self.sizes = [z.shape[1] for z in self.Z]
        self.constant = -rows.log_weights + (
            2 * float(np.log(np.diag(rows.R)).sum()) if reml else 0.0
        )

    def __call__(self, theta: np.ndarray) -> float:
        n, p = self.Q.shape
        V = np.eye(n)
        at = 0
        for z, alike, k in zip(self.Z, self.same, self.sizes, strict=True):
            lam = np.zeros((k, k))
            for col in range(k):
                lam[col:, col] = theta[at : at + k - col]
                at += k - col
            half = z @ lam
            V += (half @ half.T) * alike
        try:
            L = np.linalg.cholesky(V)
            A = np.linalg.solve(L, np.column_stack([self.Q, self.y]))
            q, R = np.linalg.qr(A[:, :p])
        except np.linalg.LinAlgError:
            return np.inf
        e = A[:, p] - q @ (q.T @ A[:, p])
        m = n - p if self.reml else n
        value = 2 * np.log(np.diag(L)).sum() + m * (1 + np.log(2 * np.pi * (e @ e) / m))
        if self.reml and p:
            value += 2 * np.log(np.abs(np.diag(R))).sum()
        return float(value + self.constant)


def _scaled_theta(rows: dense.Rows, theta: np.ndarray) -> np.ndarray:
    out = []
    for lam in dense.factors(rows, theta):
        k = len(lam)
        out += [float(lam[row, col]) for col in range(k) for row in range(col, k)]
    return np.array(out)


def _user_theta(rows: dense.Rows, phi: np.ndarray) -> np.ndarray:
    units = np.concatenate(
        [[float(u[row]) for col in range(len(u)) for row in range(col, len(u))]
         for u in rows.units]
    )  # fmt: skip
    return phi / units


def _global(m: Any, data: LmmData, rows: dense.Rows, d: dense.Dense) -> Iterator[str]:
    quick = _Quick(rows, reml=m.reml)
    diagonal = np.concatenate(
        [[row == col for col in range(k) for row in range(col, k)] for k in quick.sizes]
    )
    rng = np.random.default_rng(len(diagonal))
    here = _scaled_theta(rows, m.theta)
    starts = [here]
    for size in (0.0, 0.02, 0.15, 0.6, 2.0, 8.0, 60.0, 1e3):
        starts.append(np.where(diagonal, size, 0.0))
    for _ in range(25 * len(quick.sizes) + 15 * len(here)):
        phi = np.where(diagonal, 10.0 ** rng.uniform(-2, 1.5), 0.0)
        phi = phi * 10.0 ** rng.uniform(-1, 1, phi.size) * (rng.random(phi.size) > 0.15)
        starts.append(phi + np.where(diagonal, 0.0, rng.normal(size=phi.size) * np.abs(phi).max()))
    values = np.array([quick(s) for s in starts])
    order = np.argsort(values)[:2]
    best, where = values.min(), starts[int(np.argmin(values))]
    if len(here) <= 6:
        for i in order:
            found = optimize.minimize(
                quick, starts[i], method="Nelder-Mead" if len(here) <= 2 else "Powell",
                options={"maxfev": 60 * len(here)},
            )  # fmt: skip
            if found.fun < best:
                best, where = found.fun, found.x
    if best < d.value - WORSE:
        sure = dense.dense_at(rows, _user_theta(rows, where), reml=m.reml).value
        if sure < d.value - WORSE:
            yield f"local optimum: {d.value} at {here}, {sure} at {where}"


def _small_sample(m: Any, rows: dense.Rows) -> Iterator[str]:
    p = len(m.fixef())
    if not p:
        return
    df, regular = dense.satterthwaite(rows, m.theta, reml=m.reml, contrasts=np.eye(p))
    near = m.is_singular or regular < 1e-6
    got = mlpool.model_parameters(m, ci_method="satterthwaite", effects="fixed").to_pandas()
    got = got["df_error"].to_numpy(float)
    if not near and far(1 / got, 1 / df, 1e-4 / min(1, regular * 1e3), 1e-9):
        yield f"Satterthwaite df {got} for {df} (regular {regular:.1e})"
    if near and not (np.nan_to_num(got, nan=-1) > 0).all():
        yield f"Satterthwaite df {got}"
    if not m.reml:
        return
    adjusted, df, regular = dense.kenward_roger(rows, m.theta)
    table = mlpool.model_parameters(m, ci_method="kenward", effects="fixed").to_pandas()
    got, se = table["df_error"].to_numpy(float), table["SE"].to_numpy(float)
    if regular > 1e-8:
        if far(1 / got, 1 / df, 1e-4, 1e-9):
            yield f"Kenward-Roger df {got} for {df} (regular {regular:.1e})"
        with np.errstate(invalid="ignore"):
            want = np.sqrt(np.diag(adjusted).astype(float))
        if far(se, want, 1e-5):
            yield f"Kenward-Roger SE {se} for {want} (regular {regular:.1e})"
