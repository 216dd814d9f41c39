"""Identical rows added up: binomial and Poisson likelihoods need their sums alone.

Rows with the same columns of X and Z, offset and levels have the same linear predictor. For the
binomial ``sum m_i (y_i log mu + (1 - y_i) log(1 - mu))`` is the same function of mu as one row with
``m = sum m_i`` and ``y = sum m_i y_i / m``, and so it is for the Poisson.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.types import ArrayRows, ReTerm
from mlpool.typing import FloatArray, IntArray

FAMILIES = ("binomial", "poisson")
SAMPLE = 4096
"""Rows on which distinct values are counted before all rows are looked at."""
WORTH = 0.8
"""Share of distinct rows above which nothing is gained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """Rows after adding up: response, weights, columns, offset, terms."""

    y: FloatArray
    m: FloatArray
    X: FloatArray
    offset: FloatArray | None
    terms: tuple[ReTerm, ...]


def compress(data: GlmmData, X: FloatArray, m: FloatArray) -> Compressed:
    """Add up identical rows where that pays; exact for any estimate.

    Parameters
    ----------
    data : GlmmData
    X : ndarray of shape (n, p)
        The columns that are kept.
    m : ndarray of shape (n,)
        Prior weights times trials.
    """
    plain = Compressed(y=data.y, m=m, X=X, offset=data.offset, terms=data.terms)
    if data.family.name not in FAMILIES:
        return plain
    columns = _columns(data, X)
    groups = _groups(columns)
    if groups is None:
        return plain
    first, place = groups
    size = len(first)
    weight = np.bincount(place, m, size)
    hits = np.bincount(place, m * data.y, size)
    y = np.where(weight > 0, hits / np.where(weight > 0, weight, 1.0), 0.0)
    terms = tuple(
        replace(t, z=ArrayRows(t.z.rows(0, data.n)[first]), codes=t.codes[first])
        for t in data.terms
    )
    offset = None if data.offset is None else data.offset[first]
    total = np.asarray(weight, dtype=np.float64)
    return Compressed(y=y, m=total, X=X[first], offset=offset, terms=terms)


def _columns(data: GlmmData, X: FloatArray) -> list[FloatArray]:
    """All that tells rows apart, each (n,), constants left out."""
    found = [X[:, j] for j in range(X.shape[1])]
    for term in data.terms:
        z = term.z.rows(0, data.n)
        found += [z[:, j] for j in range(z.shape[1])]
        found.append(np.asarray(term.codes, dtype=np.float64))
    if data.offset is not None:
        found.append(data.offset)
    return [c for c in found if c[0] != c[-1] or np.any(c != c[0])]


def _groups(columns: list[FloatArray]) -> tuple[IntArray, IntArray] | None:
    """First row of each distinct row, and each row's place among them; None: it does not pay."""
    if not columns:
        return None
    n = len(columns[0])
    # Neighbours in the data share a level, so that a stretch of rows shows what all will give.
    if n > 4 * SAMPLE:
        key = _hash([c[:SAMPLE] for c in columns])
        spread = _hash([c[:: max(n // SAMPLE, 1)] for c in columns])
        if min(len(np.unique(key)) / len(key), len(np.unique(spread)) / len(spread)) > WORTH:
            return None
    _, first, place = np.unique(_hash(columns), return_index=True, return_inverse=True)
    if len(first) > WORTH * n:
        return None
    # Equal hashes must mean equal rows; otherwise nothing is added up.
    if any(np.any(c != c[first][place]) for c in columns):
        return None
    return first, place


def _hash(columns: list[FloatArray]) -> IntArray:
    """Mix the bits of each row into one 64-bit number."""
    out = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        bits = (np.ascontiguousarray(column, dtype=np.float64) + 0.0).view(np.uint64)
        out = (out ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
        out *= np.uint64(0xBF58476D1CE4E5B9)
        out ^= out >> np.uint64(32)
    return out
