"""Records of small-sample inference."""

from __future__ import annotations

from dataclasses import dataclass

from mlpool.inference.small_sample.kernels import Kernel
from mlpool.typing import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSums:
    """Products with V^-1 and V^-2, by random-effect column ("slot": column c of term t).

    Attributes
    ----------
    K : tuple of tuples of Kernel
        ``K[s][t]`` is the part of Z'V^-1 Z between slots s and t: (levels of s) x (levels of t),
        diagonal with one grouping factor.
    tr_K2 : ndarray of shape (slots, slots)
        Traces of the parts of Z'V^-2 Z between slots of one term.
    H, H2 : tuple of ndarray, shape (levels, p + 1)
        Rows of Z'V^-1 [X, e] and Z'V^-2 [X, e] of each slot.
    S1, S2, S3 : ndarray of shape (p + 1, p + 1)
        [X, e]'V^-k [X, e] for k = 1, 2, 3.
    tr_V1, tr_V2 : float
        Traces of V^-1 and V^-2.
    """

    K: tuple[tuple[Kernel, ...], ...]
    tr_K2: FloatArray
    H: tuple[FloatArray, ...]
    H2: tuple[FloatArray, ...]
    S1: FloatArray
    S2: FloatArray
    S3: FloatArray
    tr_V1: float
    tr_V2: float
