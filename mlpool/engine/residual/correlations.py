"""Correlations of residuals as functions of unconstrained parameters.

Every structure is a table: one correlation per distance (in steps, or in time) or per pair of
visits. `phi` is on the scale of nlme's intervals, so that no bound is needed: ``2 atanh(r)`` of
correlations, the logit of continuous AR(1) and the nugget, logarithms of ranges; of an unstructured
matrix it is the unit lower triangular factor whose rows are then scaled to length one.

Tables take complex phi: a step of 1e-30 along the imaginary axis gives derivatives without
subtraction, exact to rounding (Squire & Trapp 1998, SIAM Review 40, 110-112).

References
----------
Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3; Barndorff-Nielsen &
Schou (1973), J. Multivariate Anal. 3, 408-419 (partial autocorrelations); Zimmerman &
Nunez-Anton (2010), Antedependence Models for Longitudinal Data, section 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlpool.engine.residual.types import CorrelatedRows, CorrelationKind
from mlpool.typing import AnyArray, FloatArray, IntArray

BOUNDARY = 14.0
"""Size of phi at which a correlation is within 2e-6 of one (or a ratio of infinity)."""

_PERFECT = 30.0
"""Size of phi at which a correlation is within 2e-13 of one and its matrix has an inverse."""

STEP = 1e-30
"""Imaginary step of derivatives: its square is nothing beside any double, so no digit is lost."""

Table = Callable[[AnyArray, AnyArray], AnyArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One kind of correlation on given rows.

    Attributes
    ----------
    kind : CorrelationKind
    n_parameters : int
    n_points : int
        Visits (``symm``, ``toep``, ``ad``), rows of the largest cluster (``cs``).
    distances : ndarray (U,) or None
        The distances that occur; None where the table is one of pairs of visits.
    unit : float
        Time in which phi of ``car1`` and ``exp`` counts, so that the user's unit decides nothing.
    """

    kind: CorrelationKind
    n_parameters: int
    n_points: int
    distances: FloatArray | None
    unit: float = 1.0

    def table(self, phi: AnyArray) -> AnyArray:
        """Return the correlations (U,) of all distances or pairs; phi may be complex."""
        if self.distances is None:
            return _VISITS[self.kind](phi, np.array(self.n_points)).ravel()
        if self.kind == "cs":
            return np.where(self.distances == 0, 1.0, self.natural(phi)[0])
        return _DISTANCES[self.kind](phi, self.distances / self.unit)

    def derivatives(self, phi: FloatArray) -> FloatArray:
        """Return d table / d phi (n_parameters, U)."""
        rows = [self.table(phi + 1j * STEP * unit).imag / STEP for unit in np.eye(len(phi))]
        return np.array(rows).reshape(len(phi), -1)

    def natural(self, phi: AnyArray) -> AnyArray:
        """Return the parameters that users know."""
        if self.kind == "cs":
            return _cs_rho(phi, self.n_points)
        if self.distances is None:
            upper = np.triu_indices(self.n_points, 1)
            own = _VISITS[self.kind](phi, np.array(self.n_points))
            return own[upper] if self.kind == "symm" else np.tanh(phi / 2)
        if self.kind == "car1":
            return np.exp(_log_car1(phi) / self.unit)
        if self.kind in ("exp", "exp_nugget"):
            return np.append(np.exp(phi[:1]) * self.unit, _expit(phi[1:]))
        return _NATURAL[self.kind](phi)

    def wald_scale(self, phi: AnyArray) -> AnyArray:
        """Return the parameters on the scale on which intervals are symmetric (nlme's)."""
        if self.kind == "symm":
            return 2.0 * np.arctanh(self.natural(phi))
        if self.kind == "car1":
            log_phi = _log_car1(phi) / self.unit
            return log_phi - np.log(-np.expm1(log_phi))
        if self.kind in ("exp", "exp_nugget"):
            return np.append(phi[:1] + np.log(self.unit), phi[1:])
        return phi

    def from_wald_scale(self, values: FloatArray) -> FloatArray:
        """Return the parameters that users know for values on the scale of intervals."""
        if self.kind == "symm":
            return np.tanh(values / 2)
        if self.kind == "car1":
            return np.asarray(_expit(values))
        if self.kind in ("exp", "exp_nugget"):
            return np.append(np.exp(values[:1]), _expit(values[1:]))
        return np.asarray(self.natural(values))

    def with_inverse(self, phi: FloatArray) -> FloatArray:
        """Return phi, or the nearest whose correlations are less than one in floating point."""
        if self.kind == "symm":
            return phi
        lowest = -np.inf if self.kind in ("car1", "exp", "exp_nugget") else -_PERFECT
        return np.clip(phi, lowest, _PERFECT)

    def is_at_end(self, phi: FloatArray) -> bool:
        """Tell whether the correlation is perfect or none, as far as the data could show it."""
        if self.kind not in ("car1", "exp", "exp_nugget"):
            return float(np.abs(phi).max(initial=0.0)) > BOUNDARY
        assert self.distances is not None
        gaps = self.distances[self.distances > 0] / self.unit
        log_phi = _log_car1(phi) if self.kind == "car1" else -np.exp(-phi[:1])
        nearest, farthest = -gaps.min() * log_phi[0], -gaps.max() * log_phi[0]
        within = np.log1p(np.exp(BOUNDARY))  # -log of a correlation of expit(-BOUNDARY)
        nuggets = float(np.abs(phi[1:]).max(initial=0.0))
        return bool(nearest > within or farthest < np.exp(-BOUNDARY) or nuggets > BOUNDARY)

    def starts(self) -> tuple[FloatArray, FloatArray]:
        """Return phi of a weak and of a strong correlation."""
        weak, strong = _STARTS.get(self.kind, (0.3, 0.3))
        rest = np.zeros(max(self.n_parameters - 1, 0))
        if self.kind in ("symm", "toep", "ad"):
            return np.full(self.n_parameters, 0.0), np.full(self.n_parameters, 0.0)
        if self.kind in ("exp", "exp_nugget"):
            nugget = np.full(self.n_parameters - 1, -1.5)
            return np.append(-1.0, nugget), np.append(1.0, nugget)
        return np.append(weak, rest), np.append(strong, rest)


def structure_of(rows: CorrelatedRows, distances: FloatArray | None) -> Structure:
    """Return the structure of correlated rows, given the distances that occur."""
    K = rows.n_points
    counts = {
        "symm": K * (K - 1) // 2, "toep": K - 1, "ad": K - 1, "ar": rows.order,
        "arma11": 2, "exp_nugget": 2,
    }  # fmt: skip
    unit = 1.0
    if rows.kind in ("car1", "exp", "exp_nugget") and distances is not None:
        unit = float(np.median(distances[distances > 0]))
    return Structure(
        kind=rows.kind,
        n_parameters=counts.get(rows.kind, 1),
        n_points=K,
        distances=None if rows.kind in _VISITS else distances,
        unit=unit,
    )


def parameter_labels(rows: CorrelatedRows, visits: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of the parameters: ``phi``, ``rho``, ``cor(1,2)`` ..."""
    K = rows.n_points
    match rows.kind:
        case "symm":
            pairs = zip(*np.triu_indices(K, 1), strict=True)
            return tuple(f"cor({visits[i]},{visits[j]})" for i, j in pairs)
        case "ad":
            return tuple(f"cor({visits[i]},{visits[i + 1]})" for i in range(K - 1))
        case "toep":
            return tuple(f"rho{k}" for k in range(1, K))
        case "ar":
            return tuple(f"phi{k}" for k in range(1, rows.order + 1))
        case "arma11":
            return "phi1", "theta1"
        case "exp_nugget":
            return "range", "nugget"
    return ({"cs": "rho", "exp": "range"}.get(rows.kind, "phi"),)


# --- tables by distance -------------------------------------------------------------------------


def _ar1(phi: AnyArray, distances: AnyArray) -> AnyArray:
    return _powers(np.tanh(phi[0] / 2), int(distances.max()))[distances.astype(np.int64)]


def _powers(r: AnyArray, highest: int) -> AnyArray:
    """Return r^0 .. r^highest; products, since logarithms of negative r have other digits."""
    return np.append(1.0, np.cumprod(np.full(highest, r)))


def _car1(phi: AnyArray, distances: AnyArray) -> AnyArray:
    return np.asarray(np.exp(distances * _log_car1(phi)[0]))


def _log_car1(phi: AnyArray) -> AnyArray:
    """Return the logarithm of the correlation over one unit, exact near both ends."""
    return np.asarray(-np.log1p(np.exp(-phi)))


def _exp(phi: AnyArray, distances: AnyArray) -> AnyArray:
    return np.asarray(np.exp(-distances / np.exp(phi[0])))


def _exp_nugget(phi: AnyArray, distances: AnyArray) -> AnyArray:
    return np.where(distances == 0, 1.0, (1.0 - _expit(phi[1])) * _exp(phi, distances))


def _ar(phi: AnyArray, distances: AnyArray) -> AnyArray:
    coefficients = ar_coefficients(phi)
    acf = [np.asarray(1.0 + 0.0 * phi[0])]
    known = _yule_walker(coefficients)
    acf += list(known[: len(phi)])
    while len(acf) <= int(distances.max()):
        acf.append(sum(c * acf[-1 - k] for k, c in enumerate(coefficients)))
    return np.array(acf)[distances.astype(np.int64)]


def ar_coefficients(phi: AnyArray) -> AnyArray:
    """Return the coefficients of an autoregression with partial correlations tanh(phi / 2).

    Durbin-Levinson: every partial correlation within (-1, 1) gives a stationary process.
    """
    out: AnyArray = np.zeros(0, dtype=np.asarray(phi).dtype)
    for r in np.tanh(phi / 2):
        out = np.append(out - r * out[::-1], r)
    return out


def _yule_walker(coefficients: AnyArray) -> AnyArray:
    """Return the autocorrelations rho_1 .. rho_p: rho_k = sum_j c_j rho_|k - j|."""
    p = len(coefficients)
    A = np.eye(p, dtype=coefficients.dtype)
    b = np.zeros(p, dtype=coefficients.dtype)
    for k in range(1, p + 1):
        for j in range(1, p + 1):
            lag = abs(k - j)
            if lag == 0:
                b[k - 1] += coefficients[j - 1]
            else:
                A[k - 1, lag - 1] -= coefficients[j - 1]
    return np.linalg.solve(A, b)


def _arma11(phi: AnyArray, distances: AnyArray) -> AnyArray:
    p, q = np.tanh(phi / 2)
    first = (1 + p * q) * (p + q) / (1 + 2 * p * q + q * q)
    lags = np.append(1.0, first * _powers(p, int(distances.max())))
    return lags[distances.astype(np.int64)]


_DISTANCES: dict[str, Table] = {
    "ar1": _ar1, "car1": _car1, "exp": _exp, "exp_nugget": _exp_nugget, "ar": _ar,
    "arma11": _arma11,
}  # fmt: skip

IN_STEPS = ("ar1", "ar", "arma11")
"""Structures whose times are whole numbers."""

# --- tables by pairs of visits --------------------------------------------------------------------


def _symm(phi: AnyArray, n: AnyArray) -> AnyArray:
    """Correlations of a unit lower triangular factor with rows scaled to length one."""
    K = int(n)
    L = np.eye(K, dtype=np.asarray(phi).dtype)
    L[np.tril_indices(K, -1)] = phi
    L = L / np.sqrt((L * L).sum(axis=1))[:, None]
    R = L @ L.T
    R[np.diag_indices(K)] = 1.0
    return np.asarray(R)


def _toep(phi: AnyArray, n: AnyArray) -> AnyArray:
    lags = np.append(1.0, np.tanh(phi / 2))
    return lags[np.abs(np.subtract.outer(np.arange(int(n)), np.arange(int(n))))]


def _ad(phi: AnyArray, n: AnyArray) -> AnyArray:
    """First-order ante-dependence: products of the correlations between neighbours."""
    K = int(n)
    r = np.tanh(phi / 2)
    R = np.eye(K, dtype=r.dtype)
    for i in range(K):
        for j in range(i + 1, K):
            R[i, j] = R[j, i] = np.prod(r[i:j])
    return np.asarray(R)


_VISITS: dict[str, Table] = {"symm": _symm, "toep": _toep, "ad": _ad}

# --- scales ---------------------------------------------------------------------------------------

_STARTS = {
    "ar1": (0.4, 2.2), "car1": (-2.0, 1.0), "cs": (-0.5, 0.5), "ar": (0.4, 2.2),
    "arma11": (0.4, 2.2),
}  # fmt: skip


def _expit(x: AnyArray) -> AnyArray:
    return 1.0 / (1.0 + np.exp(-x))


def _cs_rho(phi: AnyArray, largest: int) -> AnyArray:
    """Return rho above -1/(m - 1), below which a cluster of m rows has no such matrix."""
    e = np.exp(phi)
    return (e - 1.0 / (largest - 1)) / (1.0 + e)


_NATURAL: dict[str, Callable[[AnyArray], AnyArray]] = {
    "ar1": lambda phi: np.tanh(phi / 2),
    "arma11": lambda phi: np.tanh(phi / 2),
    "ar": ar_coefficients,
}


def pair_numbers(structure: Structure, points: FloatArray, same: AnyArray) -> IntArray:
    """Return the place in the table of every pair of rows (P, m, m); -1 for independent ones.

    Parameters
    ----------
    structure : Structure
    points : ndarray (P, m)
    same : ndarray of bool (P, m, m)
        Whether two rows are of the same level.
    """
    if structure.distances is None:
        place = points.astype(np.int64)
        found = place[:, :, None] * structure.n_points + place[:, None, :]
    else:
        gaps = np.abs(points[:, :, None] - points[:, None, :])
        found = np.searchsorted(structure.distances, gaps)
    return np.where(same, found, -1)
