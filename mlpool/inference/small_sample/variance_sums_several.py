"""The sums of small-sample inference for several grouping factors.

Factor 1 is the one with most random effects; P below is block-diagonal by its levels, so

    P   = (I + Sigma_1 A_11)^-1             V_1 = s2 I + Z_1 Sigma_1 Z_1'
    K_a = A_11 P   K_b = P'A_12   K_c = A_22 - A_21 P Sigma_1 A_12      (times s2: Z'V_1^-1 Z)
    T   = Lambda_2 (I + Lambda_2'K_c Lambda_2)^-1 Lambda_2' = F F'

    Z'V^-1 Z s2 = [ K_a - Y Y'    K_b R ]      Y = K_b F      R = (I + Sigma_2 K_c)^-1
                  [ R'K_b'        K_c R ]
    Z'V^-1 W s2 = [ H_a - Y F'H_c ; R'H_c ]    H_a = P'D_1    H_c = D_2 - A_21 P Sigma_1 D_1

Nothing has the size of factor 1 squared. What belongs to sigma^2 follows from
``V = sum_i phi_i V_i``: for any B, ``sum_i phi_i B'V^-1 V_i V^-1 C = B'V^-1 C``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from mlpool.engine.types import LmmData, LmmFit
from mlpool.errors import NotSupportedError
from mlpool.inference.small_sample.kernels import (
    DiagonalLessProduct,
    Kernel,
    inner,
    multiply,
    trace,
)
from mlpool.inference.small_sample.types import VarianceSums
from mlpool.inference.small_sample.weighted_rows import row_blocks
from mlpool.typing import FloatArray, IntArray

#: Largest memory of the dense matrices of several grouping factors, in bytes.
MAX_DENSE_BYTES = 3_000_000_000
#: Dense matrices of (effects of factor 1) x (effects of the others), and of the others squared,
#: that live at the same time.
_THIN_COPIES, _SQUARE_COPIES = 3, 6


def several_factors(data: LmmData, fit: LmmFit, lams: tuple[FloatArray, ...]) -> VarianceSums:
    """Read the rows once and form all sums at the estimate.

    Raises
    ------
    NotSupportedError
        If the factors beside the largest have too many levels for dense matrices.
    """
    _Slots(data).check_size()
    A, D, T = _read(data, fit)
    return sums_of_products(data, Products(A=A, D=D, T=T), lams, fit.sigma**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """What the sums of several factors are made of.

    Attributes
    ----------
    A : csr_array of shape (Q, Q)
        Z'Z, term by term and level by level.
    D : ndarray of shape (Q, p + 1)
        Z'W.
    T : ndarray of shape (p + 1, p + 1)
        W'W.
    """

    A: scipy.sparse.csr_array
    D: FloatArray
    T: FloatArray


def sums_of_products(
    data: LmmData, products: Products, lams: tuple[FloatArray, ...], s2: float
) -> VarianceSums:
    """Form all sums at the estimate from products; `data` says what terms there are.

    Raises
    ------
    NotSupportedError
        As :func:`several_factors`.
    """
    slots = _Slots(data)
    slots.check_size()
    first = _FirstFactor(products.A, products.D, slots, lams)
    return _assembled(first, slots, lams, products.T, s2, data.n)


class _Slots:
    """Where the columns of terms ("slots") stand among all random effects, factor 1 apart."""

    def __init__(self, data: LmmData) -> None:
        sizes: dict[int, int] = {}
        for term in data.terms:
            sizes[term.factor] = sizes.get(term.factor, 0) + term.n_levels * term.z.shape[1]
        self.total = sum(sizes.values())
        largest = max(sizes, key=lambda factor: sizes[factor])
        self.places: list[IntArray] = []
        self.terms: list[int] = []
        self.is_first: list[bool] = []
        start = 0
        for number, term in enumerate(data.terms):
            k, size = term.z.shape[1], term.n_levels * term.z.shape[1]
            for c in range(k):
                self.places.append(np.arange(start + c, start + size, k))
                self.terms.append(number)
                self.is_first.append(term.factor == largest)
            start += size
        self.first = [s for s, f in enumerate(self.is_first) if f]
        self.rest = [s for s, f in enumerate(self.is_first) if not f]
        self.rest_index = np.concatenate([self.places[s] for s in self.rest])
        ends = np.cumsum([0, *(len(self.places[s]) for s in self.rest)])
        self.within_rest = {
            s: slice(int(a), int(b)) for s, a, b in zip(self.rest, ends, ends[1:], strict=False)
        }

    def check_size(self) -> None:
        """Refuse what would not fit in memory.

        Raises
        ------
        NotSupportedError
        """
        many, few = self.total - len(self.rest_index), len(self.rest_index)
        needed = 8.0 * few * (_THIN_COPIES * many + _SQUARE_COPIES * few)
        if needed > MAX_DENSE_BYTES:
            raise NotSupportedError(
                "degrees of freedom by Satterthwaite or Kenward-Roger need "
                # bytes of a gigabyte, in which it is shown
                f"{needed / 1e9:.0f} GB for {many} x {few} random effects of crossed grouping "
                "factors; use the residual or normal ones."
            )


def _read(data: LmmData, fit: LmmFit) -> tuple[Any, FloatArray, FloatArray]:
    """Return A = Z'Z (sparse), D = Z'W and T = W'W."""
    sizes = [term.n_levels * term.z.shape[1] for term in data.terms]
    Q, m = sum(sizes), fit.beta.shape[0] + 1
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    A: Any = scipy.sparse.csr_array((Q, Q))
    D, T = np.zeros((Q, m)), np.zeros((m, m))
    for rows, parts, W in row_blocks(data, fit):
        count = W.shape[0]
        columns, values = [], []
        for term, start, z in zip(data.terms, starts, parts, strict=True):
            k = z.shape[1]
            columns.append(start + term.codes[rows].astype(np.int64)[:, None] * k + np.arange(k))
            values.append(z)
        index, value = np.hstack(columns), np.hstack(values)
        pointer = np.arange(count + 1) * index.shape[1]
        Z = scipy.sparse.csr_array((value.ravel(), index.ravel(), pointer), shape=(count, Q))
        A = A + Z.T @ Z
        D += Z.T @ W
        T += W.T @ W
    return scipy.sparse.csr_array(A), D, T


class _FirstFactor:
    """Factor 1 taken out: K_a, K_b, K_c, H_a, H_c, and P Sigma_1, by slots."""

    def __init__(self, A: Any, D: FloatArray, slots: _Slots, lams: tuple[FloatArray, ...]) -> None:
        own, rest = [slots.places[s] for s in slots.first], slots.rest_index
        q = len(own)
        blocks = [A[i] for i in own]
        A11 = np.array([[row[:, j].diagonal() for j in own] for row in blocks])  # (q, q, J)
        A12 = [scipy.sparse.csr_array(row[:, rest]) for row in blocks]
        Sigma = scipy.linalg.block_diag(
            *(lams[t] @ lams[t].T for t in dict.fromkeys(slots.terms[s] for s in slots.first))
        )
        stack = np.moveaxis(A11, 2, 0)
        P = np.moveaxis(np.linalg.inv(np.eye(q) + Sigma @ stack), 0, 2)
        PS = np.einsum("abj,bc->acj", P, Sigma)
        self.Sigma, self.PS = Sigma, PS
        self.D1, self.D2 = [D[i] for i in own], D[rest]
        self.A11, self.A12, self.A22 = A11, A12, A[rest][:, rest]
        self.Ka = np.einsum("abj,bcj->acj", A11, P)
        self.Kb = [
            sum((_scaled(P[b, a], A12[b]) for b in range(1, q)), _scaled(P[0, a], A12[0]))
            for a in range(q)
        ]
        self.Kc = np.asarray(self.A22.todense()) - self._across(A12)
        self.Ha = [sum(P[b, a][:, None] * self.D1[b] for b in range(q)) for a in range(q)]
        self.Hc = self.D2 - sum(
            A12[a].T @ (PS[a, b][:, None] * self.D1[b]) for a in range(q) for b in range(q)
        )

    def _across(self, A12: list[Any]) -> FloatArray:
        """Return A_21 P Sigma_1 A_12, dense."""
        q = len(A12)
        total: Any = None
        for a in range(q):
            inside: object = None
            for b in range(q):
                part = _scaled(self.PS[a, b], A12[b])
                inside = part if inside is None else inside + part
            product = A12[a].T @ inside
            total = product if total is None else total + product
        dense = np.asarray(total.todense())
        return np.asarray(0.5 * (dense + dense.T))


def _scaled(weights: FloatArray, M: Any) -> Any:
    return scipy.sparse.csr_array(M.multiply(weights[:, None]))


def _assembled(
    first: _FirstFactor,
    slots: _Slots,
    lams: tuple[FloatArray, ...],
    T: FloatArray,
    s2: float,
    n: int,
) -> VarianceSums:
    """Put the second step of the elimination together, everything divided by s2."""
    Lambda2 = _lambda_of_rest(slots, lams)
    Kc = first.Kc
    S = np.eye(len(Kc)) + Lambda2.T @ (Lambda2.T @ Kc.T).T
    L = scipy.linalg.cholesky(0.5 * (S + S.T), lower=True, check_finite=False)
    F = scipy.linalg.solve_triangular(L, Lambda2.T.toarray(), lower=True, check_finite=False).T
    N = np.eye(len(Kc)) + Lambda2 @ (Lambda2.T @ Kc)
    R = scipy.linalg.inv(N, overwrite_a=True, check_finite=False)
    Y = [np.asarray(Kb @ F) for Kb in first.Kb]
    K = _blocks(first, slots, (Y, R), s2)
    FH = F.T @ first.Hc
    rest = R.T @ first.Hc / s2
    H: list[FloatArray] = []
    for s in range(len(slots.places)):
        if slots.is_first[s]:
            a = slots.first.index(s)
            H.append((first.Ha[a] - Y[a] @ FH) / s2)
        else:
            H.append(rest[slots.within_rest[s]])
    return _with_sigma(K, H, slots, lams, (T, first), s2, n)


def _lambda_of_rest(slots: _Slots, lams: tuple[FloatArray, ...]) -> Any:
    """Return Lambda_2 (sparse) in the order of the slots of the other factors."""
    Q = len(slots.rest_index)
    total: object = scipy.sparse.csr_array((Q, Q))
    position = {s: slots.terms[:s].count(slots.terms[s]) for s in slots.rest}
    rows, cols, values = [], [], []
    for s in slots.rest:
        for t in slots.rest:
            if slots.terms[s] != slots.terms[t]:
                continue
            value = lams[slots.terms[s]][position[s], position[t]]
            if value != 0.0:
                at, to = slots.within_rest[s], slots.within_rest[t]
                rows.append(np.arange(at.start, at.stop))
                cols.append(np.arange(to.start, to.stop))
                values.append(np.full(at.stop - at.start, value))
    if rows:
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
        total = scipy.sparse.csr_array(entries, shape=(Q, Q))
    return total


def _blocks(
    first: _FirstFactor, slots: _Slots, parts: tuple[list[FloatArray], FloatArray], s2: float
) -> tuple[tuple[Kernel, ...], ...]:
    """Return Z'V^-1 Z between all pairs of slots."""
    Y, R = parts
    root = np.sqrt(s2)
    thin = [y / root for y in Y]
    grams: dict[tuple[int, int], FloatArray] = {}
    square = first.Kc @ R / s2
    square = 0.5 * (square + square.T)
    across = [np.asarray(Kb @ R) / s2 for Kb in first.Kb]
    count = len(slots.places)
    K: list[list[Any]] = [[None] * count for _ in range(count)]
    for s in range(count):
        for t in range(count):
            if slots.is_first[s] and slots.is_first[t]:
                a, b = slots.first.index(s), slots.first.index(t)
                K[s][t] = DiagonalLessProduct(first.Ka[a, b] / s2, thin[a], thin[b], grams)
            elif slots.is_first[s]:
                K[s][t] = across[slots.first.index(s)][:, slots.within_rest[t]]
            elif slots.is_first[t]:
                K[s][t] = across[slots.first.index(t)][:, slots.within_rest[s]].T
            else:
                K[s][t] = square[slots.within_rest[s], slots.within_rest[t]]
    return tuple(map(tuple, K))


def _with_sigma(
    K: tuple[tuple[Kernel, ...], ...],
    H: list[FloatArray],
    slots: _Slots,
    lams: tuple[FloatArray, ...],
    data: tuple[FloatArray, _FirstFactor],
    s2: float,
    n: int,
) -> VarianceSums:
    """Add what belongs to sigma^2, with Sigma the covariance of the random effects:

    ``s2 Z'V^-2 W = H - K Sigma H``, ``s2 tr V^-1 = n - tr(Sigma K)``,
    ``s2 W'V^-2 W = W'V^-1 W - H'Sigma H`` and so on.
    """
    count = len(slots.places)
    Sigma = _slot_covariances(slots, lams, s2)
    SH = [sum(Sigma[s, t] * H[t] for t in range(count) if Sigma[s, t]) for s in range(count)]
    zero = [np.zeros_like(h) for h in H]
    SH = [x if isinstance(x, np.ndarray) else z for x, z in zip(SH, zero, strict=True)]
    H2 = [(H[s] - sum(multiply(K[s][t], SH[t]) for t in range(count))) / s2 for s in range(count)]
    tr_K = np.array([[_trace_of(K, slots, s, t) for t in range(count)] for s in range(count)])
    quad = _quadratic_traces(K, Sigma, slots)
    tr_K2 = (tr_K - quad) / s2
    tr_V1 = (n - float(np.sum(Sigma * tr_K))) / s2
    tr_V2 = (tr_V1 - float(np.sum(Sigma * tr_K2))) / s2
    T, first = data
    D = _rows_of_D(first, slots)
    S1 = (T - sum(D[s].T @ SH[s] for s in range(count))) / s2
    S2 = (S1 - sum(H[s].T @ SH[s] for s in range(count))) / s2
    S3 = (S2 - sum(H2[s].T @ SH[s] for s in range(count))) / s2
    return VarianceSums(
        K=K, tr_K2=tr_K2, H=tuple(H), H2=tuple(H2),
        S1=0.5 * (S1 + S1.T), S2=0.5 * (S2 + S2.T), S3=0.5 * (S3 + S3.T),
        tr_V1=tr_V1, tr_V2=tr_V2,
    )  # fmt: skip


def _rows_of_D(first: _FirstFactor, slots: _Slots) -> list[FloatArray]:
    out = []
    for s in range(len(slots.places)):
        if slots.is_first[s]:
            out.append(first.D1[slots.first.index(s)])
        else:
            out.append(first.D2[slots.within_rest[s]])
    return out


def _slot_covariances(slots: _Slots, lams: tuple[FloatArray, ...], s2: float) -> FloatArray:
    """Return the covariance of one level's random effects, zero between terms."""
    position = [slots.terms[:s].count(t) for s, t in enumerate(slots.terms)]
    count = len(slots.places)
    Sigma = np.zeros((count, count))
    for s in range(count):
        for t in range(count):
            if slots.terms[s] == slots.terms[t]:
                lam = lams[slots.terms[s]]
                Sigma[s, t] = s2 * float(lam[position[s]] @ lam[position[t]])
    return Sigma


def _trace_of(K: Any, slots: _Slots, s: int, t: int) -> float:
    return trace(K[s][t]) if slots.terms[s] == slots.terms[t] else 0.0


def _quadratic_traces(K: Any, Sigma: FloatArray, slots: _Slots) -> FloatArray:
    """Return ``tr (K Sigma K)`` of each pair of slots of one term (zero elsewhere)."""
    count = len(Sigma)
    out = np.zeros((count, count))
    for s in range(count):
        for t in range(s + 1):
            if slots.terms[s] != slots.terms[t]:
                continue
            total = 0.0
            for u in range(count):
                for v in range(count):
                    if Sigma[u, v]:
                        total += Sigma[u, v] * inner(K[u][s], K[v][t])
            out[s, t] = out[t, s] = total
    return out
