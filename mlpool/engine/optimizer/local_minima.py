"""Whether the deviance has a deeper valley than the one that a search ended in.

Profiled deviances may have several minima: one where a factor's variance takes up what the fixed
effects cannot (no intercept, a mean far from zero, clusters that differ in a predictor), one where
the residual variance does; with few clusters one at either end of a correlation. So the deviance
alone is looked at, for many theta at once: along rays through the optimum, each term's factor in
turn (whole, each of its columns alone, perfect correlations) and all terms replaced by multiples
of a unit one; and at points spread over all covariances. Of the lowest of these the deviance is
followed to the optimum: where it rises on the way there is another valley, and the search starts
again in it.

With hundreds of clusters, a variance that is not zero and a mean for every random effect among the
fixed effects there is one valley; then nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from mlpool.engine.optimizer.newton import NOISE, minimise
from mlpool.engine.optimizer.simplest import Simplified, simplest
from mlpool.engine.theta import FreeTemplate
from mlpool.engine.types import Control, Optimum
from mlpool.errors import FitError
from mlpool.typing import FloatArray, IntArray

STEP, FINE_STEP = 4.0, 1.5
"""Ratio of neighbouring points on a ray, and where a mean is missing among the fixed effects, so
that two valleys are the rule."""
FIRST, LAST = 1 / 16, 256.0
"""Smallest and largest relative SD on a ray beside zero."""
FURTHEST = 4.0**9
"""Largest where a mean is missing: beyond, the residual variance is rounding."""
SPREAD, EACH = 32, 16
"""Points spread over the covariances: so many, and for every number in theta so many more."""
WORTH = 1e-6
"""Difference of the deviance that makes a valley deeper: no test could show a smaller one."""
NEAR = 8.0
"""Deviance above the optimum up to which a point may lie above the floor of a deeper valley."""
FOLLOWED, PACES = 12, 6
"""Lowest points from which the deviance is followed to the optimum, and looks on each way."""
APART = 0.5
"""Difference of log SDs or correlations from which two points may lie in different valleys."""
WIDTHS, TRIES = (1.0, 0.7, 0.7, 0.5, 0.5, 0.35, 0.25), 8
"""Steps downhill before that where a covariance is singular, as shares of theta, and tries each."""
ROUNDS, STARTS, ANYWHERE = 3, 3, 10
"""Times that a deeper valley may be left for one deeper still, searches each time, and searches
from anywhere for a singular covariance of three or more columns."""
PATIENCE = 100
"""Evaluations of a further search after which it has to be below `NEAR` to go on: some creep along
a flat edge hundreds of deviance units above the optimum for as long as they may."""
FEW = 30_000
"""Numbers that one look works through, up to which it costs next to nothing."""


class Landscape(Simplified, Protocol):
    """A criterion whose value alone is cheap."""

    @property
    def looks(self) -> int:
        """Numbers that one value works through."""

    @property
    def has_means(self) -> bool:
        """Whether the fixed effects hold a mean of every random effect."""


def deepest(objective: Landscape, found: Optimum, control: Control) -> Optimum:
    """Return `found` or the optimum of a deeper valley, with everything evaluated on the way.

    Parameters
    ----------
    objective : Landscape
        In the coordinates of the search.
    found : Optimum
    control : Control
    """
    if not found.converged:
        return found  # a search that was stopped is not gone on with
    is_small = objective.looks <= FEW
    template, phi = objective.template, found.end / objective.scale
    if not (is_small or not objective.has_means or _is_singular(template, phi)):
        return found
    for _ in range(ROUNDS):
        better = _deeper(objective, found, control)
        if better is None:
            break
        found = better
    return simplest(objective, found, control, searches=is_small)


def _is_singular(template: FreeTemplate, phi: FloatArray) -> bool:
    factors = template.matrices(phi)
    return any(np.linalg.svd(lam, compute_uv=False)[-1] < FIRST**2 for lam in factors)


def _deeper(objective: Landscape, found: Optimum, control: Control) -> Optimum | None:
    """Return an optimum that is deeper than `found`, None if no point leads to one."""
    log = list(found.log)
    for start in _starts(objective, found):
        try:
            other = _searched(objective, start * objective.scale, found.criterion, control)
        except FitError:
            # Of several factors without kept rows a look is one Cholesky factor of all effects,
            # where a search takes differences block after block: at relative SDs of thousands
            # these may leave nothing of the residual, and no search can begin there.
            continue
        log += other.log
        if other.converged and other.criterion < found.criterion - _visible(objective, other):
            return replace(other, start=found.start, evaluations=len(log), log=tuple(log))
    return None


def _searched(
    objective: Landscape, start: FloatArray, criterion: float, control: Control
) -> Optimum:
    """Return where a search from `start` ends, or where it was when there was no more hope."""
    first = replace(control, max_evaluations=min(control.max_evaluations, PATIENCE))
    found = minimise(objective, start, first)
    if found.converged or found.criterion > criterion + NEAR:
        return found
    rest = minimise(objective, found.end, control)
    return replace(rest, log=found.log + rest.log)


def _starts(objective: Landscape, found: Optimum) -> Iterator[FloatArray]:
    """Points in units of the scaled theta from where a search may end in a deeper valley."""
    template = objective.template
    points, values = _lowest(objective, found)
    starts = _behind_a_rise(objective, points, values, found)
    yield from starts[:STARTS]
    is_rich = max(template.sizes) > 2 and objective.looks <= FEW
    if is_rich and _is_singular(template, found.end / objective.scale):
        # Six variances and covariances have corners that no look shows.
        yield from _spread(template.sizes, objective.has_means)[:ANYWHERE]


def _visible(objective: Landscape, at: Optimum) -> float:
    """Return the difference of deviances that is more than rounding at an optimum."""
    size = float(np.abs(at.end / objective.scale).max())
    # What is left after a factor took nearly all is known to as many digits less.
    return WORTH + NOISE * objective.n * size**2


def _lowest(objective: Landscape, found: Optimum) -> tuple[FloatArray, FloatArray]:
    """Return the lowest points looked at (B, k), in units of the scaled theta, and deviances."""
    template, phi = objective.template, found.end / objective.scale
    is_small = objective.looks <= FEW
    parts = list(_rays(template, phi, has_means=objective.has_means, every=is_small))
    if is_small:
        parts.append(_spread(template.sizes, objective.has_means))
    points = np.concatenate(parts)
    values = objective.values(points * objective.scale)
    order = _apart(template, points, values, phi)[: FOLLOWED if is_small else FOLLOWED // 4]
    points, values = points[order], values[order]
    is_rich = max(template.sizes) > 1 or len(template.sizes) > 2
    if is_small and is_rich and _is_singular(template, phi):
        points, values = _settled(objective, points, values)
    near = values < found.criterion + NEAR
    return points[near], values[near]


def _apart(
    template: FreeTemplate, points: FloatArray, values: FloatArray, end: FloatArray
) -> IntArray:
    """Return the lowest points from below that lie apart from each other and from the end."""
    order = np.argsort(values)
    kept: list[int] = []
    places = _place(template, np.concatenate([end[None], points[order]]))
    seen, places = places[0], places[1:]
    is_apart = np.ones(len(places), dtype=np.bool_)
    while len(kept) < FOLLOWED:
        is_apart &= np.abs(places - seen).max(axis=1) > APART
        if not is_apart.any():
            break
        lowest = int(is_apart.argmax())
        kept.append(lowest)
        seen = places[lowest]
    return order[kept]


def _place(template: FreeTemplate, points: FloatArray) -> FloatArray:
    """Return SDs on a log scale and correlations of points: the same for all their factors."""
    out = []
    for t, k in enumerate(template.sizes):
        lam = points[:, template.term_slice(t)].reshape(-1, k, k).swapaxes(1, 2)
        sds = np.sqrt(np.einsum("bij,bij->bi", lam, lam))
        unit = lam / np.where(sds > 0, sds, 1.0)[:, :, None]
        row, col = np.tril_indices(k, -1)
        out += [np.arcsinh(sds / FIRST), (unit @ unit.swapaxes(1, 2))[:, row, col]]
    return np.concatenate(out, axis=1)


def _settled(
    objective: Landscape, points: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the points after random steps downhill, each from its own place."""
    rng = np.random.default_rng(1)
    for width in WIDTHS:
        unit = np.sqrt(points**2 + FIRST) * width
        steps = rng.normal(size=(TRIES, *points.shape)) * unit
        tried = (points + steps).reshape(-1, points.shape[1])
        seen = objective.values(tried * objective.scale).reshape(TRIES, -1)
        best = seen.argmin(axis=0)
        lower = seen.min(axis=0) < values
        chosen = tried.reshape(TRIES, *points.shape)[best, np.arange(len(points))]
        points = np.where(lower[:, None], chosen, points)
        values = np.where(lower, seen.min(axis=0), values)
    return points, values


def _behind_a_rise(
    objective: Landscape, points: FloatArray, values: FloatArray, found: Optimum
) -> FloatArray:
    """Return the lowest points (m, k) before the deviance rises on the ways to the optimum."""
    if len(points) == 0:
        return points
    ways = _ways(objective.template, points, found.end / objective.scale)
    B, steps, k = ways.shape
    seen = objective.values((ways * objective.scale).reshape(-1, k)).reshape(B, steps)
    seen = np.column_stack([values, seen, np.full(B, found.criterion)])
    ways = np.concatenate([points[:, None], ways], axis=1)
    size = np.abs(ways).max(axis=(1, 2))
    lowest = np.minimum.accumulate(seen, axis=1)
    rises = seen[:, 1:] > lowest[:, :-1] + (WORTH + NOISE * objective.n * size**2)[:, None]
    parted = np.flatnonzero(rises.any(axis=1))
    last = rises[parted].argmax(axis=1)
    at = [int(seen[i, : end + 1].argmin()) for i, end in zip(parted, last, strict=True)]
    starts = ways[parted, at]
    return np.asarray(starts[np.argsort(seen[parted, at])])


def _ways(template: FreeTemplate, points: FloatArray, end: FloatArray) -> FloatArray:
    """Return points (B, PACES, k) between each of the points and the end, sizes on a log scale."""
    turned = np.empty_like(points)
    for t, k in enumerate(template.sizes):
        span = template.term_slice(t)
        lam = points[:, span].reshape(-1, k, k)
        target = end[span].reshape(k, k)
        # Of the factors of one covariance the one nearest to the end's (stored transposed).
        U, _, Vt = np.linalg.svd(lam @ target.T)
        turned[:, span] = ((U @ Vt).swapaxes(1, 2) @ lam).reshape(len(points), -1)
    share = np.linspace(0.0, 1.0, PACES + 2)[1:-1, None]
    first, last = np.arcsinh(turned / FIRST)[:, None], np.arcsinh(end / FIRST)
    return np.asarray(np.sinh(first * (1.0 - share) + last * share) * FIRST)


def _rays(
    template: FreeTemplate, phi: FloatArray, *, has_means: bool, every: bool
) -> Iterator[FloatArray]:
    """Points on rays through the optimum, in units of the scaled theta.

    Only whole terms without `every`, where a look has a price.
    """
    term, row, col = template.index
    is_diagonal = row == col
    step, last = (STEP, LAST) if has_means else (FINE_STEP, FURTHEST)
    n_steps = int(np.log(last / FIRST) / np.log(step)) + 1
    sizes = np.append(0.0, FIRST * step ** np.arange(n_steps))[:, None]
    for t, k in enumerate(template.sizes):
        own = term == t
        rest = np.where(own, 0.0, phi)
        yield rest + sizes * np.where(own & is_diagonal, 1.0, 0.0)
        if k == 1 or not every:
            continue
        for r in range(k):
            yield rest + sizes * np.where(own & (row == r) & is_diagonal, 1.0, 0.0)
        yield from _axes(phi, template.term_slice(t), sizes)
        # Perfect correlations, of the first column with all others; also without other terms,
        # whose part a column that differs between groups may take.
        for others in (rest, 0.0 * rest) if rest.any() else (rest,):
            for sign in (1.0, -1.0):
                line = np.where(own & (col == 0), np.where(row == 0, 1.0, sign), 0.0)
                yield others + sizes * line
    if len(template.sizes) > 1:
        # A factor at zero stays there: the deviance may say nothing about it at all.
        held = is_diagonal & np.isin(term, term[phi != 0.0])
        yield sizes * np.where(held, 1.0, 0.0)
        if not held[is_diagonal].all():
            yield sizes * np.where(is_diagonal, 1.0, 0.0)


def _axes(phi: FloatArray, own: slice, sizes: FloatArray) -> Iterator[FloatArray]:
    """Points with one principal axis of a term's covariance longer or shorter."""
    k = int(np.sqrt(phi[own].size))
    U, lengths, Vt = np.linalg.svd(phi[own].reshape(k, k).T)
    for r in range(k):
        points = np.tile(phi, (len(sizes), 1))
        others = (U * np.where(np.arange(k) == r, 0.0, lengths)) @ Vt
        points[:, own] = others.T.ravel() + sizes * np.outer(U[:, r], Vt[r]).T.ravel()
        yield points


@lru_cache(maxsize=64)
def _spread(sizes: tuple[int, ...], has_means: bool) -> FloatArray:
    """Points over all covariances: some singular, some with variances of zero."""
    template = FreeTemplate(sizes)
    n_free = sum(k * (k + 1) // 2 for k in sizes)
    rng = np.random.default_rng(0)
    last = 32.0 if has_means else FURTHEST
    points = [
        template.pack([_some_factor(rng, k, last) for k in sizes])
        for _ in range(SPREAD + EACH * n_free)
    ]
    out = np.stack(points)
    out.flags.writeable = False
    return out


def _some_factor(rng: np.random.Generator, k: int, last: float) -> FloatArray:
    """Return a factor (k, k): SDs on a log scale, a correlation of any size, often +-1."""
    sds = np.exp(rng.uniform(np.log(FIRST), np.log(last), size=k))
    sds = np.where(rng.random(k) < 0.2, 0.0, sds)
    lam = rng.normal(size=(k, k))
    if rng.random() < 0.5:
        lam[:, 1:] = 0.0
    lam /= np.linalg.norm(lam, axis=1)[:, None]
    return np.asarray(sds[:, None] * lam)
