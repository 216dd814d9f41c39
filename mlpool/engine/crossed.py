"""The profiled criterion for crossed (or partly nested) grouping factors, with its gradient.

The factor with most random effects leads: its blocks are eliminated cluster by cluster as in
``chain.py``. What is left of the others, S_22 = A_22 - C' N_1 C with C = Z_1'Z_2 sparse, is one
dense block: Cholesky (dpotrf) of M_2 = Lambda_2' S_22 Lambda_2 + I and its inverse (dpotri).

The same reverse pass as in ``chain.py`` gives the gradient. With N_2 = Lambda_2 M_2^-1 Lambda_2',
D_2 what is left of Z_2'[X y] and G = d deviance / d S,

    d/dS_22 = N_2 + N_2 D_2 G D_2' N_2        d/dD_2 = -2 N_2 D_2 G

and the leading factor needs H_j = c_j (d/dS_22) c_j' + ... only for its own sparse rows c_j: a
gather over the pairs of trailing effects that meet in a cluster, as cheap as forming S_22.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from mlpool.engine.chain import _add_gradient_inplace, _eliminate, _left_multiply, _State
from mlpool.engine.crosspairs import SparseRows
from mlpool.engine.profile import Profile, profile_out
from mlpool.engine.small import multiply, to_stack
from mlpool.engine.template import Template
from mlpool.errors import FitError
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailing:
    """One of the factors in the dense block.

    Attributes
    ----------
    template : Template
    start : int
        First position among the trailing random effects; level-major, q per level.
    n_levels : int
    """

    template: Template
    start: int
    n_levels: int

    @property
    def span(self) -> slice:
        """Positions of its random effects."""
        return slice(self.start, self.start + self.n_levels * self.template.q)


@dataclass(slots=True)
class _Dense:
    """What the forward pass leaves of the dense block."""

    S22: FloatArray
    M_inv: FloatArray
    D: FloatArray
    N: FloatArray
    ND: FloatArray


class CrossedObjective:
    """Deviance and gradient for crossed factors.

    Parameters
    ----------
    A, D : ndarray (q, q, J), (q, J, p + 1)
        Sums of the leading factor.
    template : Template
        Of the leading factor.
    C : SparseRows
        Leading by trailing random effects.
    trailing : tuple of Trailing
    A22 : ndarray (n2, n2), Fortran order
        Z_2'Z_2, full.
    D2 : ndarray (n2, p + 1)
        Z_2'[X y].
    total : ndarray (p + 1, p + 1)
    n : int
    reml : bool
    k : int
        Length of theta.
    """

    def __init__(  # noqa: PLR0913 - one argument per symbol of the formula
        self,
        A: FloatArray,
        D: FloatArray,
        template: Template,
        C: SparseRows,
        trailing: tuple[Trailing, ...],
        A22: FloatArray,
        D2: FloatArray,
        total: FloatArray,
        n: int,
        *,
        reml: bool,
        k: int,
    ) -> None:
        self.A, self.D, self.template, self.C = A, D, template, C
        self.trailing, self.A22, self.D2 = trailing, A22, D2
        self.total, self.n, self.reml, self.k = total, n, reml, k
        self.p = total.shape[0] - 1
        self.n2 = A22.shape[0]
        self._C = [self._sparse(a) for a in range(A.shape[0])]

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the deviance (REML or ML) and its gradient with respect to theta."""
        state, dense, logdet, S = self._forward(theta)
        profile = profile_out(S, self.n, reml=self.reml)
        gradient = np.zeros(self.k)
        self._trailing_gradient_inplace(gradient, theta, dense, profile.G)
        NDG = dense.ND @ profile.G
        G22 = dense.N
        G22 += NDG @ dense.ND.T
        H = self._leading_inner(state.D, G22, -NDG, profile.G)
        _add_gradient_inplace(gradient, self.template, state, H)
        return logdet + profile.deviance, gradient

    def finish(
        self, theta: FloatArray
    ) -> tuple[Profile, float, list[FloatArray], list[FloatArray]]:
        """Return the profile, log|L|^2, and per factor b (J, q) and conditional covariances (J, q, q).

        The leading factor comes first; units are internal.
        """
        state, dense, logdet, S = self._forward(theta)
        profile = profile_out(S, self.n, reml=self.reml)
        b2 = dense.ND @ profile.v
        right = state.D @ profile.v
        for a, C in enumerate(self._C):
            right[a] -= C @ b2
        b1 = np.einsum("abj,bj->ja", state.N, right)
        zero = np.zeros((self.n2, self.p + 1))
        V = self._leading_inner(state.D * 0.0, dense.N, zero, np.zeros_like(profile.G))
        covariances = [to_stack(state.N + multiply(multiply(state.N, V), state.N))]
        modes = [b1]
        for factor in self.trailing:
            q, J = factor.template.q, factor.n_levels
            modes.append(b2[factor.span].reshape(J, q))
            block = dense.N[factor.span, factor.span].reshape(J, q, J, q)
            covariances.append(block[np.arange(J), :, np.arange(J), :])
        return profile, logdet, modes, covariances

    # --- forward ----------------------------------------------------------------------------

    def _forward(self, theta: FloatArray) -> tuple[_State, _Dense, float, FloatArray]:
        lam = self.template.factor(theta)
        M_inv, N, logdets = _eliminate(self.A, lam)
        ND = _left_multiply(N, self.D)
        state = _State(self.A, self.D, lam, M_inv, N, ND)
        S = self.total - sum(d.T @ nd for d, nd in zip(self.D, ND, strict=True))
        D2 = self.D2 - sum(C.T @ nd for C, nd in zip(self._C, ND, strict=True))
        S22 = self._schur(N)
        dense, logdet2 = self._solve_dense(theta, S22, D2)
        S = S - D2.T @ dense.ND
        return state, dense, float(logdets.sum()) + logdet2, (S + S.T) / 2

    def _schur(self, N: FloatArray) -> FloatArray:
        """Return S_22 = A_22 - C' N C, full, in Fortran order."""
        flat = np.zeros(self.n2 * self.n2)
        data = self.C.data
        for row, one, two, index in self.C.pairs(self.n2):
            value = np.zeros(len(row))
            for a in range(len(N)):
                for b in range(len(N)):
                    value += N[a, b][row] * data[one, a] * data[two, b]
            flat += np.bincount(index, value, self.n2 * self.n2)
        lower = flat.reshape((self.n2, self.n2), order="F")
        S22 = self.A22 - lower
        S22 -= np.tril(lower, -1).T
        return S22

    def _solve_dense(
        self, theta: FloatArray, S22: FloatArray, D2: FloatArray
    ) -> tuple[_Dense, float]:
        M = self._scale_rows(self._scale_rows(S22, theta).T, theta)
        M = np.asfortranarray(M)
        M[np.diag_indices(self.n2)] += 1.0
        L, info = lapack.dpotrf(M, lower=1, overwrite_a=1)
        if info != 0:
            raise FitError(
                "The random effects' matrix is not positive definite; rescale the columns."
            )
        logdet = 2.0 * float(np.log(np.diag(L)).sum())
        inverse, _ = lapack.dpotri(L, lower=1, overwrite_c=1)
        M_inv = np.tril(inverse, -1)
        M_inv = M_inv + M_inv.T
        M_inv[np.diag_indices(self.n2)] = np.diag(inverse)
        half = self._scale_columns(M_inv, theta)
        N = self._scale_columns(half.T, theta)
        return _Dense(S22=S22, M_inv=half, D=D2, N=N, ND=N @ D2), logdet

    def _scale_rows(self, X: FloatArray, theta: FloatArray) -> FloatArray:
        """Return Lambda_2' X."""
        return self._by_factor(X, theta, transposed=True)

    def _scale_columns(self, X: FloatArray, theta: FloatArray) -> FloatArray:
        """Return Lambda_2 X."""
        return self._by_factor(X, theta, transposed=False)

    def _by_factor(self, X: FloatArray, theta: FloatArray, *, transposed: bool) -> FloatArray:
        out = np.empty_like(X, order="C")
        for factor in self.trailing:
            lam = factor.template.factor(theta)
            lam = lam.T if transposed else lam
            part = X[factor.span]
            if len(lam) == 1:
                np.multiply(part, lam[0, 0], out=out[factor.span])
            else:
                blocks = part.reshape(factor.n_levels, len(lam), -1)
                out[factor.span] = (lam @ blocks).reshape(part.shape)
        return out

    # --- backward ---------------------------------------------------------------------------

    def _trailing_gradient_inplace(
        self, gradient: FloatArray, theta: FloatArray, dense: _Dense, G: FloatArray
    ) -> None:
        """Add the diagonal blocks of 2 (S_22 - (I - S_22 N) D G D') Lambda M^-1."""
        K = dense.M_inv
        E = dense.D - dense.S22 @ dense.ND
        EG = E @ G
        C = K.T @ dense.D
        for factor in self.trailing:
            q, J, span = factor.template.q, factor.n_levels, factor.span
            left = dense.S22[span].reshape(J, q, self.n2)
            right = K[:, span].reshape(self.n2, J, q)
            d_lam = np.empty((q, q))
            for a in range(q):
                for b in range(q):
                    d_lam[a, b] = np.einsum("jk,kj->", left[:, a], right[:, :, b])
            d_lam -= np.einsum("jar,jbr->ab", EG[span].reshape(J, q, -1), C[span].reshape(J, q, -1))
            factor.template.gather_inplace(gradient, 2.0 * d_lam)

    def _leading_inner(
        self, D: FloatArray, G22: FloatArray, G2w: FloatArray, G: FloatArray
    ) -> FloatArray:
        """Return H = [C D] [[G22, G2w], [G2w', G]] [C D]' per leading cluster, (q, q, J)."""
        q, J = D.shape[0], D.shape[1]
        H = self._gather_pairs(G22, q, J)
        cross = [C @ G2w for C in self._C]
        DG = D @ G
        for a in range(q):
            for b in range(q):
                H[a, b] += np.einsum("jr,jr->j", DG[a], D[b])
                H[a, b] += np.einsum("jr,jr->j", cross[a], D[b])
                H[a, b] += np.einsum("jr,jr->j", cross[b], D[a])
        return H

    def _gather_pairs(self, G22: FloatArray, q: int, J: int) -> FloatArray:
        H = np.zeros((q, q, J))
        flat = G22.ravel(order="K")  # symmetric: either order of storage is right
        data = self.C.data
        for row, one, two, index in self.C.pairs(self.n2):
            values = flat[index]
            values = np.where(one == two, values, 2.0 * values) if q == 1 else values
            for a in range(q):
                for b in range(a + 1):
                    product = data[one, a] * data[two, b]
                    if q > 1:
                        product = np.where(
                            one == two, product, product + data[two, a] * data[one, b]
                        )
                    H[a, b] += np.bincount(row, values * product, J)
        for a in range(q):
            for b in range(a):
                H[b, a] = H[a, b]
        return H

    def _sparse(self, a: int) -> sparse.csr_array:
        shape = (self.A.shape[2], self.n2)
        return sparse.csr_array((self.C.data[:, a].copy(), self.C.cols, self.C.indptr), shape=shape)


def check_dense_size(n2: int, max_bytes: int, names: str) -> None:
    """Refuse a dense block that would not fit, before anything is allocated.

    Raises
    ------
    FitError
        With the size in the sentence.
    """
    need = 6 * 8 * n2 * n2
    if need > max_bytes:
        raise FitError(
            f"The crossed grouping factors leave a dense block of {n2:,} x {n2:,} random effects "
            f"({names}), about {need / 1e9:,.1f} GB of work space, above the limit of "
            f"{max_bytes / 1e9:,.1f} GB; use control={{'max_dense_bytes': ...}} where the machine has it."
        )
