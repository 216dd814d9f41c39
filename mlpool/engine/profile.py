"""Profile beta and sigma out of the criterion: from S to the deviance and its derivative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky

from mlpool.errors import FitError
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is left after the random effects are eliminated.

    Attributes
    ----------
    beta : ndarray (p,)
    v : ndarray (p + 1,)
        [-beta; 1].
    S_inv : ndarray (p, p)
        S_xx^-1.
    r2 : float
        Penalised residual sum of squares.
    logdet_RX2 : float
        log|S_xx|.
    deviance : float
        All of the criterion but log|L|^2.
    G : ndarray (p + 1, p + 1)
        d deviance / d S.
    """

    beta: FloatArray
    v: FloatArray
    S_inv: FloatArray
    r2: float
    logdet_RX2: float
    deviance: float
    G: FloatArray


def profile_out(S: FloatArray, n: int, *, reml: bool) -> Profile:
    """Return beta, r^2 and the rest of the deviance (Bates et al. 2015, eqs. 34 and 41).

    Raises
    ------
    FitError
        If S_xx is not positive definite or nothing is left to explain.
    """
    p = S.shape[0] - 1
    try:
        R = cholesky(S[:p, :p], lower=False) if p else np.empty((0, 0))
    except np.linalg.LinAlgError:
        raise FitError("The fixed effects cannot be told apart: X'V^-1 X is singular.") from None
    beta = cho_solve((R, False), S[:p, p]) if p else np.empty(0)
    S_inv = cho_solve((R, False), np.eye(p)) if p else np.empty((0, 0))
    v = np.append(-beta, 1.0)
    r2 = float(v @ S @ v)
    m = n - p if reml else n
    if not np.isfinite(r2) or r2 <= 0.0 or m <= 0:
        raise FitError(
            "The residual variance is zero: the model fits the response exactly, so there "
            "is nothing to estimate."
        )
    logdet_RX2 = 2.0 * float(np.log(np.diag(R)).sum())
    deviance = m * (1.0 + np.log(2.0 * np.pi * r2 / m)) + (logdet_RX2 if reml else 0.0)
    G = (m / r2) * np.outer(v, v)
    if reml:
        G[:p, :p] += S_inv
    return Profile(
        beta=beta, v=v, S_inv=S_inv, r2=r2, logdet_RX2=logdet_RX2, deviance=float(deviance), G=G
    )
