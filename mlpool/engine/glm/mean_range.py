"""Which linear predictors give means that a family can have, and a first one that does."""

from __future__ import annotations

import numpy as np

from mlpool.errors import FitError
from mlpool.families import Family
from mlpool.typing import FloatArray

_POSITIVE = ("poisson", "Gamma", "inverse.gaussian")
EDGE = 1e-6
"""Share of the typical mean (of one, for probabilities) that counts as the edge of the range."""


def range_of(family: Family) -> tuple[float, float]:
    """Return the open interval of linear predictors whose means are possible."""
    if family.kin == "binomial":
        return {"log": (-np.inf, 0.0), "identity": (0.0, 1.0)}.get(family.link, (-np.inf, np.inf))
    if family.link in ("sqrt", "1/mu^2"):
        return 0.0, np.inf
    if family.link in ("identity", "inverse") and family.kin in _POSITIVE:
        return 0.0, np.inf
    return -np.inf, np.inf


def is_on_the_edge(family: Family, mu: FloatArray) -> bool:
    """Tell whether some means mu (n,) lie on the edge of what the link lets them be."""
    low, high = range_of(family)
    if not np.isfinite(low) and not np.isfinite(high):
        return False
    if family.kin == "binomial":
        is_low = family.link == "identity" and bool(np.any(mu < EDGE))
        return is_low or bool(np.any(mu > 1.0 - EDGE))
    if family.link in ("inverse", "1/mu^2"):
        return bool(np.any(mu * EDGE > np.median(mu)))
    return bool(np.any(mu < EDGE * np.mean(mu)))


def starting_predictor(
    Q: FloatArray,
    offset: FloatArray | None,
    family: Family,
    y: FloatArray,
    prior: FloatArray,
) -> FloatArray:
    """Return coefficients gamma (p,) of orthogonal columns Q (n, p) with possible means.

    The response's mean in every row where the columns have a constant, else what keeps farthest
    from the edge (a linear programme).

    Raises
    ------
    FitError
        If there are none.
    """
    low, high = range_of(family)
    mean = float(prior @ y / prior.sum())
    if family.kin == "binomial":
        mean = float((prior @ y + 0.5) / (prior.sum() + 1.0))
    middle = float(family.link_of(np.array([mean]))[0])
    base = np.zeros(len(y)) if offset is None else offset
    gamma = Q.T @ (middle - base) / len(y)
    eta = Q @ gamma + base
    if np.all(eta > low) and np.all(eta < high) and np.all(np.isfinite(eta)):
        return np.asarray(gamma)
    return _farthest_from_the_edge(Q, base, (low, high), family)


def _farthest_from_the_edge(
    Q: FloatArray, base: FloatArray, limits: tuple[float, float], family: Family
) -> FloatArray:
    """Maximise t <= 1 with low + t u <= Q gamma + base <= high - t u, u a typical distance."""
    from scipy.optimize import linprog

    n, p = Q.shape
    low, high = limits
    unit = float(np.max(np.abs(base))) or 1.0
    parts, bounds = [], []
    if np.isfinite(low):
        parts.append(np.hstack([-Q, np.full((n, 1), unit)]))
        bounds.append(base - low)
    if np.isfinite(high):
        parts.append(np.hstack([Q, np.full((n, 1), unit)]))
        bounds.append(high - base)
    if parts:
        cost = np.zeros(p + 1)
        cost[-1] = -1.0
        sides = [(None, None)] * p + [(None, 1.0)]
        found = linprog(cost, np.vstack(parts), np.concatenate(bounds), bounds=sides)
        x = None if found.x is None else np.asarray(found.x)
        if x is not None and x[-1] > 0.0:
            return x[:p]
    raise FitError(
        f"No coefficients of the {family} model give means inside the family's range, so that its "
        f"fit has no starting values; take a link that keeps them there ({_safe_link(family)})."
    )


def _safe_link(family: Family) -> str:
    return f"'{family.name}(logit)'" if family.kin == "binomial" else f"'{family.name}(log)'"
