"""Sandwich covariances of regression coefficients, as plain functions of arrays.

Heteroscedasticity-consistent (``HC0``..``HC5``) and cluster-robust covariances of linear and
generalised linear models. Every estimator is ``B (sum_g s_g s_g') B`` with the bread
``B = (X'WX)^-1`` and the (adjusted) score sums ``s_g = X_g' W_g A_g r_g`` of the rows or clusters
``g``; the types differ in ``A_g`` and in a scalar factor.

References
----------
Zeileis, Koell & Graham (2020), J. Stat. Softw. 95(1) (``sandwich::vcovHC``, ``vcovCL``);
Bell & McCaffrey (2002), Survey Methodology 28; Pustejovsky & Tipton (2018), JBES 36
(``clubSandwich::vcovCR``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse

from mlpool.errors import FitError, NotSupportedError, OptionError, check_option
from mlpool.inference.sandwich.residual_adjustments import ClusterMatrices, adjusted_scores
from mlpool.typing import FloatArray, IntArray

HC_TYPES = ("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5")
CL_TYPES = ("HC0", "HC1", "HC2", "HC3")
CR_TYPES = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")

#: sandwich's limit: a hat value, which has no unit, this close to 1 makes HC2..HC5 meaningless.
_HAT_LIMIT = 1.0 - float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRows:
    """What a sandwich is made of.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Columns that were estimated (no aliased ones).
    resid : ndarray of shape (n,)
        ``y - X beta`` (offset taken off); for a GLM the working residual (y - mu) d eta / d mu.
    bread : ndarray of shape (p, p)
        ``(X'WX)^-1``, not multiplied by sigma^2 or a dispersion.
    weights : ndarray of shape (n,) or None
        Prior weights of a linear model, working weights of a GLM; all > 0.
    mu_eta : ndarray of shape (n,) or None
        d mu / d eta of a GLM; None for a linear model.
    """

    X: FloatArray
    resid: FloatArray
    bread: FloatArray
    weights: FloatArray | None = None
    mu_eta: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def p(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    @property
    def row_weights(self) -> FloatArray:
        """Weights, ones where there are none; shape (n,)."""
        return np.ones(self.n) if self.weights is None else self.weights

    def hat(self) -> FloatArray:
        """Leverages ``h_i = w_i x_i' B x_i``, shape (n,)."""
        return np.asarray(self.row_weights * np.einsum("ij,ij->i", self.X @ self.bread, self.X))

    def working_resid(self) -> FloatArray:
        """Factor of x_i in the score of row i: ``w_i r_i``, shape (n,)."""
        return self.row_weights * self.resid


def robust_vcov(
    rows: ScoreRows,
    type: str,
    clusters: Sequence[IntArray] | None = None,
    *,
    cadjust: bool = True,
    multi0: bool = False,
) -> FloatArray:
    """Sandwich covariance of the coefficients.

    Parameters
    ----------
    rows : ScoreRows
    type : str
        Without `clusters` one of ``HC0``..``HC5``, ``HC4m`` as ``sandwich::vcovHC``. With clusters
        ``HC0``..``HC3`` as ``sandwich::vcovCL`` (``"vcovCL"`` is ``HC1``), or ``CR0``, ``CR1``,
        ``CR1p``, ``CR1S``, ``CR2``, ``CR3`` as ``clubSandwich::vcovCR``.
    clusters : sequence of integer arrays of shape (n,), optional
        Cluster codes (any integers); several arrays give multi-way clustering
        ``V_a + V_b - V_ab``.
    cadjust : bool
        vcovCL's factor G / (G - 1).
    multi0 : bool
        vcovCL's ``multi0``: the innermost interaction is the rows themselves, without factors.

    Returns
    -------
    ndarray of shape (p, p)
        NaN by clusters where as many coefficients as rows leave no residuals.

    Raises
    ------
    OptionError
        If the type does not exist (for this number of cluster variables).
    FitError
        If a leverage of 1 or a cluster that alone determines a coefficient makes the type useless.
    """
    if not clusters:
        return _vcov_hc(rows, check_option(type, HC_TYPES, argument="type without a cluster"))
    kind = check_option(type, ("vcovCL", *CL_TYPES, *CR_TYPES), argument="type with a cluster")
    kind = "HC1" if kind == "vcovCL" else kind
    dense = [np.unique(np.asarray(c), return_inverse=True)[1].ravel() for c in clusters]
    if kind in CR_TYPES and len(dense) > 1:
        raise OptionError(
            f"{kind} takes one cluster variable; with several use 'HC0', 'HC1', 'HC2' or "
            "'HC3' (V_a + V_b - V_ab)."
        )
    if rows.n == rows.p:  # no residuals, and so nothing to learn from their clusters
        return np.full((rows.p, rows.p), np.nan)
    if kind in CR_TYPES:
        return _vcov_cr(rows, kind, dense[0])
    return _vcov_cl(rows, kind, dense, cadjust=cadjust, multi0=multi0)


def without_negative(covariance: FloatArray) -> FloatArray:
    """Return a covariance whose negative eigenvalues are zero (``fix = TRUE`` of sandwich).

    Several cluster variables can leave negative ones (Cameron, Gelbach & Miller 2011, section 2.3).
    The eigenvalues are those in the units of the coefficients, as in R.
    """
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def cluster_counts(clusters: Sequence[IntArray]) -> tuple[int, ...]:
    """Count the distinct clusters of each cluster variable.

    Parameters
    ----------
    clusters : sequence of integer arrays of shape (n,)

    Returns
    -------
    tuple of int
        Below 40, cluster-robust standard errors tend to be too small.
    """
    return tuple(int(np.unique(np.asarray(c)).size) for c in clusters)


# --- rows as their own clusters ---------------------------------------------------------------


def _vcov_hc(rows: ScoreRows, kind: str) -> FloatArray:
    """Return ``B X' diag(omega) X B`` (Zeileis 2004, J. Stat. Softw. 11(10), section 3)."""
    omega = rows.working_resid() ** 2
    if kind == "HC1":
        omega = omega * rows.n / (rows.n - rows.p)
    elif kind != "HC0":
        omega = omega * _hat_factor(rows, kind)
    half = np.sqrt(omega)[:, None] * (rows.X @ rows.bread)
    return np.asarray(half.T @ half)


def _hat_factor(rows: ScoreRows, kind: str) -> FloatArray:
    """Factor of the squared residual: ``(1 - h)^-delta``.

    HC2: delta = 1; HC3: 2; HC4: min(4, n h / p); HC4m: min(1, n h / p) + min(1.5, n h / p);
    HC5: half of min(n h / p, max(4, 0.7 n h_max / p)), p = sum(h) rounded as sandwich does.
    """
    h = rows.hat()
    _check_hat(h, kind)
    ratio = rows.n * h / round(float(h.sum()))
    match kind:
        case "HC2":
            delta = np.ones_like(h)
        case "HC3":
            delta = np.full_like(h, 2.0)
        case "HC4":
            delta = np.minimum(4.0, ratio)
        case "HC4m":
            delta = np.minimum(1.0, ratio) + np.minimum(1.5, ratio)
        case _:
            delta = 0.5 * np.minimum(ratio, max(4.0, 0.7 * float(ratio.max())))
    return np.asarray((1.0 - h) ** -delta)


def _check_hat(h: FloatArray, kind: str) -> None:
    bad = np.flatnonzero(h > _HAT_LIMIT)
    if bad.size:
        shown = ", ".join(str(i + 1) for i in bad[:5]) + (", ..." if bad.size > 5 else "")
        raise FitError(
            f"{kind} divides by 1 - leverage, and the leverage of row {shown} of the model is 1 "
            "(a coefficient rests on that row alone); use 'HC1' instead."
        )


# --- clusters ----------------------------------------------------------------------------------


def _vcov_cl(
    rows: ScoreRows, kind: str, clusters: Sequence[IntArray], *, cadjust: bool, multi0: bool
) -> FloatArray:
    """``sandwich::vcovCL``: inclusion-exclusion over the cluster variables.

    ``sum_S (-1)^(|S|+1) c_S B M_S B`` over all non-empty subsets S of the cluster variables, with
    c_S = G_S / (G_S - 1) (HC2, HC3: 1), and (n - 1)/(n - p) on the whole for HC1
    (Cameron, Gelbach & Miller 2011).
    """
    meat = np.zeros((rows.p, rows.p))
    for size, codes in _interactions(clusters):
        last = multi0 and size == len(clusters) > 1
        codes = np.arange(rows.n) if last else codes
        n_groups = int(codes.max()) + 1
        _check_groups(n_groups)
        scores = _cluster_scores(rows, kind, codes, n_groups)
        if last:
            factor = (rows.n - rows.p) / (rows.n - 1) if kind == "HC1" else 1.0
        else:
            factor = n_groups / (n_groups - 1) if cadjust else 1.0
        if kind in ("HC2", "HC3"):
            factor *= (n_groups - 1) / n_groups
        meat += (-1) ** (size + 1) * factor * (scores.T @ scores)
    if kind == "HC1":
        meat *= (rows.n - 1) / (rows.n - rows.p)
    return _sandwich(rows.bread, meat)


def _vcov_cr(rows: ScoreRows, kind: str, codes: IntArray) -> FloatArray:
    """``clubSandwich::vcovCR`` with its default working model.

    Factors: CR0 1; CR1 G/(G-1); CR1p G/(G-p); CR1S G(n-1)/((G-1)(n-p)); CR2 and CR3 adjust the
    residuals of each cluster instead.
    """
    n_groups = int(codes.max()) + 1
    _check_groups(n_groups)
    G, n, p = n_groups, rows.n, rows.p
    if kind == "CR1p" and p >= G:
        raise FitError(
            f"CR1p divides by clusters - coefficients, here {G} - {p}; use 'CR1' or 'CR2'."
        )
    factor = {
        "CR1": G / (G - 1),
        "CR1p": G / (G - p) if p < G else np.nan,
        "CR1S": G * (n - 1) / ((G - 1) * (n - p)),
    }.get(kind, 1.0)
    scores = _cluster_scores(rows, kind, codes, n_groups)
    return _sandwich(rows.bread, factor * (scores.T @ scores))


def _cluster_scores(rows: ScoreRows, kind: str, codes: IntArray, n_groups: int) -> FloatArray:
    """Score sums by cluster, shape (n_groups, p), adjusted where the type says so."""
    if kind not in ("HC2", "HC3", "CR2", "CR3"):
        return _sum_by(rows.working_resid(), rows.X, codes, n_groups)
    if n_groups == rows.n and kind in ("HC2", "HC3"):
        h = rows.hat()
        _check_hat(h, kind)
        power = 0.5 if kind == "HC2" else 1.0
        return np.asarray((rows.working_resid() / (1.0 - h) ** power)[:, None] * rows.X)
    w = rows.weights
    if kind == "CR2" and w is not None:
        if rows.mu_eta is not None:
            return _glm_cr2_scores(rows, w, rows.mu_eta, codes)
        left = w[:, None] * rows.X
        return adjusted_scores(codes, left, rows.resid, _weighted_cr2(rows, w))
    return _similar_scores(rows, kind, codes)


def _similar_scores(rows: ScoreRows, kind: str, codes: IntArray) -> FloatArray:
    """Scores with ``A = (I - X B X'W)^power``, a similarity of the symmetric ``I - U B U'``.

    With U = W^1/2 X: ``A = W^-1/2 (I - U B U')^power W^1/2``. vcovCL applies A to ``W r`` and sums
    with X; clubSandwich applies it to r and sums with W X. Without weights both are the same.
    """
    power = -0.5 if kind in ("HC2", "CR2") else -1.0
    root = np.sqrt(rows.row_weights)
    U = root[:, None] * rows.X
    if kind in ("HC2", "HC3"):
        left, right = rows.X / root[:, None], root**3 * rows.resid
    else:
        left, right = U, root * rows.resid
    return adjusted_scores(codes, left, right, ClusterMatrices(B=U, C=-rows.bread, power=power))


def _weighted_cr2(rows: ScoreRows, w: FloatArray) -> ClusterMatrices:
    """CR2 of weighted least squares with clubSandwich's default target, the identity.

    ``G_g = I - H_g - H_g' + X_g M (sum_g X_g' W_g^2 X_g) M X_g'`` with ``H_g = X_g M X_g' W_g``
    and M the bread (Pustejovsky & Tipton 2018, eq. 11 with Phi = I), so B = [X, W X].
    """
    M = rows.bread
    wX = w[:, None] * rows.X
    K = M @ (wX.T @ wX) @ M
    return ClusterMatrices(
        B=np.hstack([rows.X, wX]), C=np.block([[K, -M], [-M, np.zeros_like(M)]]), power=-0.5
    )


def _glm_cr2_scores(
    rows: ScoreRows, w: FloatArray, mu_eta: FloatArray, codes: IntArray
) -> FloatArray:
    """CR2 scores of a GLM with working covariance Theta = V(mu) / prior weight.

    clubSandwich's ``A_g = Theta^1/2 (Theta (I - U M U') Theta)^-1/2 Theta^1/2`` with U = W^1/2 X
    (working weights ``w = mu_eta^2 / Theta``), applied to the response residuals.
    """
    theta = mu_eta**2 / w
    U = np.sqrt(w)[:, None] * rows.X
    right = theta * np.sqrt(w) * rows.resid
    matrices = ClusterMatrices(B=U, C=-rows.bread, power=-0.5, scale=theta)
    return adjusted_scores(codes, U, right, matrices)


def _sum_by(factor: FloatArray, X: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Return ``sum_{i in g} factor_i x_i'`` as one sparse product, shape (n_groups, p)."""
    n = codes.shape[0]
    picker = scipy.sparse.csr_array((factor, (codes, np.arange(n))), shape=(n_groups, n))
    return np.asarray(picker @ X)


def _interactions(clusters: Sequence[IntArray]) -> Iterator[tuple[int, IntArray]]:
    """Yield (size, codes 0..G-1) for every non-empty subset of the cluster variables."""
    for size in range(1, len(clusters) + 1):
        for subset in combinations(clusters, size):
            codes = subset[0]
            for other in subset[1:]:
                pair = codes.astype(np.int64) * (int(other.max()) + 1) + other
                codes = np.unique(pair, return_inverse=True)[1].ravel()
            yield size, codes


def _check_groups(n_groups: int) -> None:
    if n_groups < 2:
        raise NotSupportedError("cluster-robust standard errors need at least two clusters.")


def _sandwich(bread: FloatArray, meat: FloatArray) -> FloatArray:
    V = bread @ meat @ bread
    return np.asarray(0.5 * (V + V.T))
