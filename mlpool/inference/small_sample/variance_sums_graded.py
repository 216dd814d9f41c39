"""The sums of small-sample inference of several factors that lie far apart, from few rows.

With the n rows scaled by their weights, Z Lambda = U diag(s) W' (U complete) and f = 1 / (1 + s^2),
1 beyond the last s,

    Z'V^-k Z = (U'Z)' diag(f^k) (U'Z) / s2^k          W'V^-k W = (U'W)' diag(f^k) (U'W) / s2^k

are sums of squares, where eliminating factor after factor takes differences.
"""

from __future__ import annotations

import numpy as np

from mlpool.engine.types import LmmData, LmmFit
from mlpool.inference.small_sample.types import VarianceSums
from mlpool.inference.small_sample.weighted_rows import row_blocks
from mlpool.typing import FloatArray

_LARGE = 1e4
"""Variance of a term's random effects over the residual one from which these sums are better."""
_MOST_ROWS, _MOST_NUMBERS = 1000, 2**19
"""Rows, whose square is made, and numbers of Z up to which they cost below a second."""


def need_grading(data: LmmData, lams: tuple[FloatArray, ...]) -> bool:
    """Tell whether a term is far above the residuals and the rows are few."""
    effects = sum(t.n_levels * t.z.shape[1] for t in data.terms)
    if data.n > _MOST_ROWS or data.n * effects > _MOST_NUMBERS:
        return False
    weights = np.ones(data.n) if data.weights is None else data.weights
    for term, lam in zip(data.terms, lams, strict=True):
        squares = ((term.z.rows(0, data.n) @ lam) ** 2).sum(axis=1)
        if float((weights * squares).max(initial=0.0)) > _LARGE:
            return True
    return False


def graded_sums(data: LmmData, fit: LmmFit, lams: tuple[FloatArray, ...]) -> VarianceSums:
    """Form all sums at the estimate."""
    blocks = [(parts, W) for _, parts, W in row_blocks(data, fit)]
    W = np.concatenate([w for _, w in blocks])
    slots, scaled, terms = [], [], []
    for t, (term, lam) in enumerate(zip(data.terms, lams, strict=True)):
        z = np.concatenate([parts[t] for parts, _ in blocks])
        member = term.codes[:, None] == np.arange(term.n_levels)
        slots += [column[:, None] * member for column in z.T]
        scaled += [column[:, None] * member for column in (z @ lam).T]
        terms += [t] * z.shape[1]
    U, s, _ = np.linalg.svd(np.hstack(scaled))
    f = np.ones(data.n)
    f[: s.size] = 1.0 / (1.0 + s**2)
    C, B, s2 = [U.T @ z for z in slots], U.T @ W, fit.sigma**2
    tr_K2 = np.zeros((len(C), len(C)))
    for a, b in np.ndindex(tr_K2.shape):
        if terms[a] == terms[b]:
            tr_K2[a, b] = float(np.einsum("rj,r,rj->", C[a], f**2, C[b])) / s2**2
    S = [B.T @ (f[:, None] ** k * B) / s2**k for k in (1, 2, 3)]
    return VarianceSums(
        K=tuple(tuple(a.T @ (f[:, None] * b) / s2 for b in C) for a in C),
        tr_K2=tr_K2,
        H=tuple(c.T @ (f[:, None] * B) / s2 for c in C),
        H2=tuple(c.T @ (f[:, None] ** 2 * B) / s2**2 for c in C),
        S1=S[0], S2=S[1], S3=S[2],
        tr_V1=float(f.sum()) / s2,
        tr_V2=float((f**2).sum()) / s2**2,
    )  # fmt: skip
