"""From few parameters to the relative factors of structured terms, and the slopes of that map.

A term of ``diag``, ``cs`` or ``ar1`` has ``Lambda = D C(rho)`` with standard deviations (relative
to sigma in linear models) in the diagonal D and C the lower triangular root of a correlation
matrix: rho for all pairs (``cs``) or rho^|i - j| (``ar1``). theta stays what it is everywhere else,
the lower triangles of all Lambda; the search moves psi, which is free of bounds:

    log sd        ar1: atanh rho        cs: logit of rho between -1 / (k - 1) and 1

Terms without a structure keep the entries of their triangles. d theta / d psi are exact (complex
steps: Squire & Trapp 1998, SIAM Rev. 40, 110-112). A parameter at the end of its range is an
infinite psi, whose slopes are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mlpool.engine.theta import Template
from mlpool.typing import AnyArray, FloatArray

StructureKind = Literal["diag", "cs", "ar1"]

_TINY = 1e-30
"""Complex step in psi, which has no unit: what it leaves out is its square."""
_NEAR = 1e-3
"""SD, in units of the columns', or distance of a correlation from the end of its range, below which
the end is tried: what lies between changes no covariance by a thousandth."""
_INSIDE = 8.0
"""Logarithm of an SD, atanh or logit of a correlation near the end of its range, but inside."""
_END = 1e-13
"""Distance of a correlation from the end of its range that is rounding."""


@dataclass(frozen=True, slots=True)
class Structure:
    """How the effects of one term vary together.

    Attributes
    ----------
    kind : {"diag", "cs", "ar1"}
    is_homogeneous : bool
        One standard deviation, or one for each of the k columns.
    """

    kind: StructureKind
    is_homogeneous: bool

    def n_sd(self, k: int) -> int:
        """Return the number of standard deviations of a term with k columns."""
        return 1 if self.is_homogeneous else k

    def n_parameters(self, k: int) -> int:
        """Return the number of parameters of a term with k columns."""
        return self.n_sd(k) + int(self.kind != "diag")

    def factor(self, psi: AnyArray, k: int) -> AnyArray:
        """Return Lambda (k, k) at psi, which may be complex."""
        sd = np.exp(psi[: self.n_sd(k)])
        return np.broadcast_to(sd, (k,))[:, None] * self._root(psi, k)

    def _root(self, psi: AnyArray, k: int) -> AnyArray:
        """Return C (k, k)."""
        if self.kind == "diag":
            return np.eye(k)
        rho = self.rho(psi[-1], k)
        return _ar1_root(rho, k) if self.kind == "ar1" else _cs_root(rho, k)

    def rho(self, x: AnyArray, k: int) -> AnyArray:
        """Return the correlation at its own entry of psi."""
        if self.kind == "ar1":
            return np.tanh(x)
        low = -1.0 / (k - 1)
        return low + (1.0 - low) / (1.0 + np.exp(-x))

    def psi(self, lam: FloatArray) -> FloatArray:
        """Return psi of a factor that has this structure, infinite at the end of a range.

        A correlation beside standard deviations of zero is unknown and taken to be zero.
        """
        k = len(lam)
        sd = np.sqrt(np.einsum("ab,ab->a", lam, lam))
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.log(sd[: self.n_sd(k)])
            if self.kind == "diag":
                return np.asarray(out)
            near = np.argsort(sd, kind="stable")[::-1][:2] if self.kind == "cs" else self._pair(sd)
            a, b = near
            rho = float(lam[a] @ lam[b] / (sd[a] * sd[b])) if sd[a] * sd[b] > 0 else 0.0
            return np.append(out, self.of_rho(np.clip(rho, self.lowest(k), 1.0), k))

    @staticmethod
    def _pair(sd: FloatArray) -> tuple[int, int]:
        """Return two neighbours in time, those with the largest standard deviations."""
        first = int(np.argmax(sd[:-1] * sd[1:]))
        return first, first + 1

    def lowest(self, k: int) -> float:
        """Lower end of the correlation."""
        return -1.0 if self.kind == "ar1" else -1.0 / (k - 1)

    def of_rho(self, rho: float, k: int) -> float:
        """Return the entry of psi of a correlation."""
        low = self.lowest(k)
        if min(rho - low, 1.0 - rho) < _END:
            return np.inf if rho > 0 else -np.inf
        if self.kind == "ar1":
            return float(np.arctanh(rho))
        return float(np.log(rho - low) - np.log(1.0 - rho))


def _ar1_root(rho: AnyArray, k: int) -> AnyArray:
    """Return the lower triangular root of rho^|i - j|."""
    lags = np.subtract.outer(np.arange(k), np.arange(k))
    powers = np.where(lags >= 0, rho ** np.maximum(lags, 0), 0.0)
    return np.asarray(powers * np.append(1.0, np.full(k - 1, np.sqrt(1.0 - rho**2))))


def _cs_root(rho: AnyArray, k: int) -> AnyArray:
    """Return the lower triangular root of (1 - rho) I + rho 11'.

    With m columns before it a variable keeps the variance (1 - rho)(1 + m rho) / (1 + (m - 1) rho),
    and later ones share rho (1 - rho) / (1 + (m - 1) rho) with it.
    """
    m = np.arange(k)
    before, here = 1.0 + (m - 1) * rho, 1.0 + m * rho
    before = np.where(m == 0, 1.0, before)
    diagonal = np.sqrt(np.where(m == 0, 1.0, (1.0 - rho) * here / before))
    inner = np.where(m == k - 1, 1.0, here * before)  # the last column has nothing below
    below = rho * np.where(m == 0, 1.0, np.sqrt((1.0 - rho) / inner))
    return np.asarray(np.tril(np.broadcast_to(below, (k, k)), -1) + np.diag(diagonal))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CovarianceMap:
    """The map from psi to theta of all terms.

    Attributes
    ----------
    sizes : tuple of int
        Columns of each term.
    structures : tuple of (Structure or None)
    units : ndarray (k_theta,)
        Typical sizes of the entries of theta: those of terms without a structure are psi's units.
    """

    sizes: tuple[int, ...]
    structures: tuple[Structure | None, ...]
    units: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def template(self) -> Template:
        """Where theta's entries stand."""
        return Template(self.sizes)

    @property
    def lengths(self) -> list[int]:
        """Parameters of each term."""
        return [
            k * (k + 1) // 2 if s is None else s.n_parameters(k)
            for k, s in zip(self.sizes, self.structures, strict=True)
        ]

    @property
    def k(self) -> int:
        """Length of psi."""
        return sum(self.lengths)

    def parts(self, psi: AnyArray) -> list[AnyArray]:
        """Return each term's part of psi."""
        return np.split(psi, np.cumsum(self.lengths)[:-1])

    def theta(self, psi: AnyArray) -> AnyArray:
        """Return theta (k_theta,); psi may be complex."""
        out = []
        places = self.template
        for t, own in enumerate(self.parts(psi)):
            structure, k = self.structures[t], self.sizes[t]
            if structure is None:
                out.append(own * self.units[places.term_slice(t)])
            else:
                out.append(Template((k,)).pack([structure.factor(own, k)]))
        return np.concatenate(out)

    def jacobian(self, psi: FloatArray) -> FloatArray:
        """Return d theta / d psi (k_theta, k); zero for parameters at the end of their range."""
        J = np.zeros((self.template.k, self.k))
        for i in np.flatnonzero(np.isfinite(psi)):
            step = psi.astype(np.complex128)
            step[i] += 1j * _TINY
            J[:, i] = np.imag(self.theta(step)) / _TINY
        return J

    def psi(self, theta: FloatArray) -> FloatArray:
        """Return psi of a theta that the structures allow."""
        out = []
        for t, lam in enumerate(self.template.matrices(theta)):
            structure, own = self.structures[t], self.template.term_slice(t)
            out.append(theta[own] / self.units[own] if structure is None else structure.psi(lam))
        return np.concatenate(out)

    def inner_psi(self, theta: FloatArray) -> FloatArray:
        """Return :meth:`psi` inside of all ranges, from which a search can begin."""
        return np.clip(self.psi(theta), -_INSIDE, _INSIDE)

    def psi_units(self) -> FloatArray:
        """Return what an entry of psi (k,) is multiplied by to be one of theta; 1 of structures."""
        parts = [
            self.units[self.template.term_slice(t)] if s is None else np.ones(n)
            for t, (s, n) in enumerate(zip(self.structures, self.lengths, strict=True))
        ]
        return np.concatenate(parts)

    def starts(self, sds: FloatArray) -> list[FloatArray]:
        """Return starts with weak and with strong correlations.

        A correlation near one and a variance beside it may explain the same persistence: the search
        begins on both sides.

        Parameters
        ----------
        sds : ndarray (k_theta,)
            Typical sizes of theta; those on the diagonals are the first standard deviations.
        """
        return [self._start(sds, rho) for rho in (0.2, 0.9)]

    def _start(self, sds: FloatArray, rho: float) -> FloatArray:
        out = []
        for t, lam in enumerate(self.template.matrices(sds * self.template.is_diagonal)):
            structure, k = self.structures[t], self.sizes[t]
            if structure is None:
                own = self.template.term_slice(t)
                out.append(sds[own] * self.template.is_diagonal[own] / self.units[own])
                continue
            sd = np.log(np.diag(lam)[: structure.n_sd(k)])
            last = [] if structure.kind == "diag" else [structure.of_rho(rho, k)]
            out.append(np.append(sd, last))
        return np.concatenate(out)

    def ends(self, psi: FloatArray, sizes: FloatArray) -> FloatArray:
        """Return psi (k,) with infinity where the end of a range is worth a try.

        Parameters
        ----------
        psi : ndarray (k,)
        sizes : ndarray (k_theta,)
            Typical sizes of theta, of which a small share is nearly zero.
        """
        out = []
        for t, part in enumerate(self.parts(psi)):
            structure, k = self.structures[t], self.sizes[t]
            ends = part.copy()
            if structure is not None:
                units = np.diag(self.template.matrices(sizes)[t])[: structure.n_sd(k)]
                ends[: len(units)][part[: len(units)] < np.log(_NEAR * units)] = -np.inf
            if structure is not None and structure.kind != "diag":
                rho = float(structure.rho(part[-1], k))
                if min(1.0 - rho, rho - structure.lowest(k)) < _NEAR:
                    ends[-1] = np.inf if rho > 0 else -np.inf
            out.append(ends)
        return np.concatenate(out)


def has_structure(structures: Sequence[Structure | None]) -> bool:
    """Tell whether any term has a structure."""
    return any(s is not None for s in structures)
