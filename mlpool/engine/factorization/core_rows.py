"""Sparse rows C_j of one factor against the dense core, and the products that the core needs.

Every level j of a factor meets few levels of the core's factors. With c_j (q x n2) its row,

    gram        sum_j c_j' N_j c_j             what eliminating the factor takes off the core
    quadratic   c_j X c_j'   for every j       what the core's inverse X gives back to the factor

Both run over the same pairs of entries that share a row. For a factor whose rows do not change
they are laid out once as a sparse matrix (pairs x levels): then both are one sparse matrix-vector
product each. Rows that change, too many pairs, or nearly full rows go through general products.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csc_array, csr_array

from mlpool.typing import FloatArray, IntArray

PAIR_LIMIT = 2**25
"""Numbers in the laid-out products (256 MB): more are recomputed at every evaluation."""
FULL = 0.15
"""Share of non-zeros above which dense products are faster than sparse ones (measured)."""
CHUNK = 2**22
"""Numbers in a dense piece of rows (32 MB)."""


@dataclass(slots=True)
class CoreRows:
    """The pattern of C and its values before anything is eliminated.

    Attributes
    ----------
    n2 : int
        Random effects in the core.
    indptr : ndarray of int (J + 1,)
    cols : ndarray of int (nnz,)
        Positions in the core, increasing within a row.
    values : ndarray (q, nnz)
    lift : tuple of ndarray of int (nnz,)
        For each coarser factor of the chain, the entry of its own rows that this entry lies in.
    """

    n2: int
    indptr: IntArray
    cols: IntArray
    values: FloatArray
    lift: tuple[IntArray, ...] = ()
    _products: tuple[IntArray, list[list[csc_array]]] | None = field(default=None, repr=False)

    @property
    def J(self) -> int:
        """Levels of the factor."""
        return len(self.indptr) - 1

    @property
    def q(self) -> int:
        """Columns of the factor."""
        return int(self.values.shape[0])

    @property
    def rows(self) -> IntArray:
        """Level of each entry."""
        return np.repeat(np.arange(self.J), np.diff(self.indptr))

    @property
    def is_full(self) -> bool:
        """Whether dense products pay."""
        return self.cols.size > FULL * self.J * self.n2

    @property
    def can_lay_out(self) -> bool:
        """Whether the products of the starting values can be kept."""
        counts = np.diff(self.indptr).astype(np.int64)
        numbers = int((counts * (counts + 1) // 2).sum()) * self.q * (self.q + 1) // 2
        return not self.is_full and numbers <= PAIR_LIMIT

    def matrix(self, values: FloatArray) -> csr_array:
        """Return C as one sparse matrix (q J, n2), all levels of a column after each other."""
        q, nnz = values.shape
        shift = np.arange(q, dtype=np.int64)[:, None] * nnz
        indptr = np.append((self.indptr[None, :-1] + shift).ravel(), q * nnz)
        return csr_array(
            (values.ravel(), np.tile(self.cols, q), indptr), shape=(q * self.J, self.n2)
        )

    def __getstate__(self) -> dict[str, object]:
        """Leave out the laid-out products: they are large and can be made again."""
        names = ("n2", "indptr", "cols", "values", "lift")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore from a pickle."""
        for name, value in {**state, "_products": None}.items():
            setattr(self, name, value)

    # --- gram -------------------------------------------------------------------------------

    def gram(self, N: FloatArray, values: FloatArray | None = None) -> FloatArray:
        """Return sum_j c_j' N_j c_j, (n2, n2) in Fortran order; only the lower triangle is filled.

        Parameters
        ----------
        N : ndarray (q, q, J)
            Symmetric.
        values : ndarray (q, nnz), optional
            Of C; None: those it started with.
        """
        if values is None and self.can_lay_out:
            flat = np.zeros(self.n2 * self.n2)
            order, laid_out = self._laid_out()
            for a, products in enumerate(laid_out):
                for b, P in enumerate(products):
                    flat += P @ N[a, b][order]
            return flat.reshape((self.n2, self.n2), order="F")
        values = self.values if values is None else values
        NC = self.left_multiply(N, values)
        if not self.is_full:
            product = self.matrix(values).T @ self.matrix(NC)
            return np.asarray(product.toarray(order="F"))
        out = np.zeros((self.n2, self.n2), order="F")
        for first, last in self._pieces():
            for a in range(self.q):
                left = self._dense(values[a], first, last)
                out += left.T @ self._dense(NC[a], first, last)
        return out

    def left_multiply(self, N: FloatArray, values: FloatArray) -> FloatArray:
        """Return N_j c_j on the pattern, (q, nnz)."""
        rows = self.rows
        out = np.zeros_like(values)
        for a, b in np.ndindex(*N.shape[:2]):
            out[a] += N[a, b][rows] * values[b]
        return out

    # --- quadratic --------------------------------------------------------------------------

    def quadratic(self, X: FloatArray) -> FloatArray:
        """Return c_j X c_j' (q, q, J) for symmetric X, of which only the lower triangle is read."""
        H = np.empty((self.q, self.q, self.J))
        if self.is_full:
            full = mirrored(X)
            for first, last in self._pieces():
                C = np.stack([self._dense(c, first, last) for c in self.values])
                H[:, :, first:last] = np.einsum("ajk,bjk->abj", C @ full, C)
            return H
        if not self.can_lay_out:
            return self.row_products(self.times(X, self.values), self.values)
        diagonal = np.einsum("ii->i", X)
        kept = diagonal.copy()
        # A pair of different entries stands for two products, an entry with itself for one.
        diagonal *= 0.5
        flat = X.ravel(order="F")
        order, laid_out = self._laid_out()
        for a, products in enumerate(laid_out):
            for b, P in enumerate(products):
                H[a, b, order] = (P.T @ flat) * (2.0 if a == b else 1.0)
                H[b, a] = H[a, b]
        diagonal[:] = kept
        return H

    def times(self, X: FloatArray, values: FloatArray) -> FloatArray:
        """Return c_j X on the pattern of c_j, (q, nnz); X symmetric, lower triangle read."""
        full = mirrored(X)
        rows = self.rows
        out = np.empty_like(values)
        for first, last in self._pieces():
            part = slice(int(self.indptr[first]), int(self.indptr[last]))
            at = rows[part] - first, self.cols[part]
            for a in range(values.shape[0]):
                if self.is_full:
                    product = self._dense(values[a], first, last) @ full
                else:
                    ends = self.indptr[first : last + 1] - part.start
                    shape = (last - first, self.n2)
                    C = csr_array((values[a, part], self.cols[part], ends), shape=shape)
                    product = np.asarray(C @ full)
                out[a, part] = product[at]
        return out

    def row_products(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Return sum over a row's entries of left_a right_b: (a, b, J)."""
        rows = self.rows
        out = np.empty((left.shape[0], right.shape[0], self.J))
        for a, b in np.ndindex(*out.shape[:2]):
            out[a, b] = np.bincount(rows, left[a] * right[b], self.J)
        return out

    # --- pieces and pairs -------------------------------------------------------------------

    def _pieces(self) -> list[tuple[int, int]]:
        step = max(1, CHUNK // self.n2)
        return [(first, min(first + step, self.J)) for first in range(0, self.J, step)]

    def _dense(self, values: FloatArray, first: int, last: int) -> FloatArray:
        part = slice(int(self.indptr[first]), int(self.indptr[last]))
        out = np.zeros((last - first, self.n2))
        out[self.rows[part] - first, self.cols[part]] = values[part]
        return out

    def _laid_out(self) -> tuple[IntArray, list[list[csc_array]]]:
        """Products of entries per pair (a, b <= a): sparse (n2 n2, J), made once.

        Rows of one length are laid out together: the first array says which row each column is.
        """
        if self._products is None:
            counts = np.diff(self.indptr).astype(np.int64)
            order = np.argsort(counts, kind="stable")
            ends = np.concatenate([[0], np.cumsum((counts * (counts + 1) // 2)[order])])
            # products of places in a core of 46,340 effects fit into 32 bits
            place = np.empty(ends[-1], dtype=np.int32 if self.n2 < 46_340 else np.int64)
            values = [[np.empty(ends[-1]) for _ in range(a + 1)] for a in range(self.q)]
            for length, first in zip(*np.unique(counts[order], return_index=True), strict=True):
                rows = order[first : np.searchsorted(counts[order], length, side="right")]
                part = slice(int(ends[first]), int(ends[first + len(rows)]))
                self._lay_out(
                    rows, int(length), place[part], [[v[part] for v in w] for w in values]
                )
            shape, ends = (self.n2 * self.n2, self.J), ends.astype(np.int32)
            products = [[csc_array((v, place, ends), shape=shape) for v in w] for w in values]
            self._products = order, products
        return self._products

    def _lay_out(
        self, rows: IntArray, length: int, place: IntArray, values: list[list[FloatArray]]
    ) -> None:
        """Fill in the products of rows with `length` entries each: column one >= column two."""
        one, two = np.tril_indices(length)
        entries = self.indptr[rows][:, None] + np.arange(length)
        cols = self.cols[entries].astype(place.dtype)
        into = place.reshape(len(rows), one.size)
        np.multiply(cols[:, two], place.dtype.type(self.n2), out=into)
        into += cols[:, one]
        columns = [v[entries] for v in self.values]
        for a, u in enumerate(columns):
            for b, v in enumerate(columns[: a + 1]):
                product = values[a][b].reshape(len(rows), one.size)
                np.multiply(u[:, one], v[:, two], out=product)
                if a != b:
                    product += v[:, one] * u[:, two]


def mirrored(X: FloatArray) -> FloatArray:
    """Return the full symmetric matrix of which X holds the lower triangle."""
    lower = np.tril(X)
    full: FloatArray = lower + np.tril(X, -1).T
    return full
