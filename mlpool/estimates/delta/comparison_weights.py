"""Which levels are compared with which: rows of weights over k levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.typing import FloatArray

_SYNONYMS = {
    "trt.vs.ctrl": "reference",
    "trt_vs_ctrl": "reference",
    "dunnett": "reference",
    "consec": "sequential",
    "eff": "meandev",
    "del.eff": "meanotherdev",
    "polynomial": "poly",
}
_DEGREES = ("linear", "quadratic", "cubic", "quartic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Contrasts among k levels.

    Attributes
    ----------
    name : str
    first, second : tuple of str
        What a row compares (``Gentoo``, ``Adelie``); `second` is empty where rows have one name.
    weights : ndarray of shape (c, k)
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    weights: FloatArray


def make_comparison(comparison: object, labels: Sequence[str]) -> Comparison:
    """Return the contrasts that a word, a dict or a matrix means.

    Parameters
    ----------
    comparison : str, mapping, or array of shape (c, k)
        ``"pairwise"`` (later minus earlier level), ``"revpairwise"``, ``"reference"`` (each minus
        the first), ``"revreference"``, ``"sequential"``, ``"revsequential"``, ``"meandev"`` (each
        minus the mean of all), ``"meanotherdev"`` (minus the mean of the others), ``"helmert"``
        (minus the mean of the earlier), ``"poly"``; or weights by name.
    labels : sequence of str

    Raises
    ------
    OptionError
        For unknown words, fewer than two levels, or weights of another length.
    """
    k = len(labels)
    if k < 2:
        raise OptionError(
            "a contrast needs at least two levels or values; "
            f"there {'is one' if k == 1 else 'are none'}."
        )
    if not isinstance(comparison, str):
        return _custom(comparison, labels)
    name = _SYNONYMS.get(comparison, comparison)
    if name not in _MAKERS:
        known = (*_MAKERS, *_SYNONYMS)
        raise OptionError(
            f"comparison must be one of {tuple(_MAKERS)}, a dict of weights or a matrix; got "
            f"{brief(comparison)}.{nearest_names(comparison, known)}"
        )
    first, second, rows = _MAKERS[name](list(labels))
    return Comparison(name=name, first=first, second=second, weights=np.array(rows, dtype=float))


def _unit(k: int, i: int, j: int) -> FloatArray:
    row = np.zeros(k)
    row[i], row[j] = 1.0, -1.0
    return row


def _pairs(labels: list[str], pairs: list[tuple[int, int]]) -> object:
    k = len(labels)
    return (
        tuple(labels[i] for i, _ in pairs),
        tuple(labels[j] for _, j in pairs),
        np.array([_unit(k, i, j) for i, j in pairs]).reshape(len(pairs), k),
    )


def _pairwise(labels: list[str]) -> object:
    k = len(labels)
    return _pairs(labels, [(i, j) for j in range(k) for i in range(j + 1, k)])


def _revpairwise(labels: list[str]) -> object:
    k = len(labels)
    return _pairs(labels, [(j, i) for j in range(k) for i in range(j + 1, k)])


def _reference(labels: list[str]) -> object:
    return _pairs(labels, [(i, 0) for i in range(1, len(labels))])


def _revreference(labels: list[str]) -> object:
    return _pairs(labels, [(0, i) for i in range(1, len(labels))])


def _sequential(labels: list[str]) -> object:
    return _pairs(labels, [(i, i - 1) for i in range(1, len(labels))])


def _revsequential(labels: list[str]) -> object:
    return _pairs(labels, [(i - 1, i) for i in range(1, len(labels))])


def _meandev(labels: list[str]) -> object:
    k = len(labels)
    return tuple(labels), ("Mean",) * k, np.eye(k) - 1.0 / k


def _meanotherdev(labels: list[str]) -> object:
    k = len(labels)
    rows = np.full((k, k), -1.0 / (k - 1))
    np.fill_diagonal(rows, 1.0)
    return tuple(labels), ("Mean (others)",) * k, rows


def _helmert(labels: list[str]) -> object:
    k = len(labels)
    rows = np.zeros((k - 1, k))
    for i in range(1, k):
        rows[i - 1, :i], rows[i - 1, i] = -1.0 / i, 1.0
    return tuple(labels[1:]), ("Mean (earlier)",) * (k - 1), rows


def _poly(labels: list[str]) -> Any:
    """Return orthogonal polynomials of equally spaced levels, in whole numbers where possible."""
    k = len(labels)
    degrees = min(k - 1, 6)
    x = np.arange(k) - (k - 1) / 2.0
    Q, R = np.linalg.qr(np.vander(x, degrees + 1, increasing=True))
    rows = (Q * np.sign(np.diag(R))).T[1:]
    names = tuple(_DEGREES[d] if d < 4 else f"degree {d + 1}" for d in range(degrees))
    return names, (), np.array([_whole(row) for row in rows])


def _whole(row: FloatArray) -> FloatArray:
    """Scale to the smallest whole numbers."""
    # weights of a row of length one: less is rounding of zero
    row = np.where(np.abs(row) < 1e-10, 0.0, row)
    row = row / np.abs(row[row != 0.0]).min()
    for factor in range(1, 1001):
        scaled = row * factor
        # relative to the smallest weight, which is one here
        if np.max(np.abs(scaled - np.round(scaled))) < 1e-6 * factor:
            return np.asarray(np.round(scaled))
    return row


_MAKERS = {
    "pairwise": _pairwise,
    "revpairwise": _revpairwise,
    "reference": _reference,
    "revreference": _revreference,
    "sequential": _sequential,
    "revsequential": _revsequential,
    "meandev": _meandev,
    "meanotherdev": _meanotherdev,
    "helmert": _helmert,
    "poly": _poly,
}


def _custom(comparison: object, labels: Sequence[str]) -> Comparison:
    k = len(labels)
    if isinstance(comparison, Mapping):
        names = tuple(str(name) for name in comparison)
        given: object = list(comparison.values())
    else:
        given = comparison
        names = ()
    try:
        rows = np.atleast_2d(np.array(given, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            "comparison must be a word such as 'pairwise', a dict {name: weights} or a matrix of "
            "weights, one number per level."
        ) from None
    if rows.ndim != 2 or rows.shape[1] != k or not np.isfinite(rows).all():
        shown = ", ".join(labels[:6]) + (", ..." if k > 6 else "")
        raise OptionError(
            f"comparison needs {k} finite weights per contrast, in the order {shown}; got "
            f"{rows.shape[-1]}."
        )
    names = names or tuple(f"Contrast {i + 1}" for i in range(len(rows)))
    return Comparison(name="custom", first=names, second=(), weights=rows)
