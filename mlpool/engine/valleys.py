"""Whether the deviance has a deeper valley than the one that a search ended in.

Profiled deviances may have several minima: one where a factor's variance takes up what the fixed
effects cannot (no intercept, a mean far from zero, clusters that differ in a predictor), one where
the residual variance does. So the deviance alone is looked at along rays through the optimum, each
term's factor in turn (whole, and each of its columns alone) and all terms at once replaced by
multiples of a unit one. Where a ray shows another valley, or the optimum's own is not the deepest
point seen, the search starts again from there.

With hundreds of clusters, a variance that is not zero and a mean for every random effect among the
fixed effects there is one valley; then nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mlpool.engine.newton import NOISE, Objective, minimise
from mlpool.engine.theta import FreeTemplate
from mlpool.engine.types import Control, Optimum
from mlpool.typing import FloatArray

STEP, FINE_STEP = 4.0, 1.5
"""Ratio of neighbouring points on a ray, and where a mean is missing among the fixed effects, so
that two valleys are the rule."""
FIRST, COUNT = 1 / 16, 6
"""Smallest relative SD on a ray beside zero, and how many there are: 1/16 .. 64, and on while the
deviance falls."""
FURTHEST = 4.0**9
"""Largest relative SD: beyond, the residual variance is rounding."""
WORTH = 1e-6
"""Difference of the deviance that makes a valley deeper: no test could show a smaller one."""
NEAR = 8.0
"""Deviance above the optimum up to which the floor of another valley is worth a search: off the
ray the floor may be that much deeper."""
ROUNDS, STARTS = 3, 2
"""Times that a deeper valley may be left for one deeper still, and searches each time."""
FEW = 30_000
"""Numbers that one look works through, up to which it costs next to nothing."""


class Landscape(Objective, Protocol):
    """A criterion whose value alone is cheap."""

    @property
    def looks(self) -> int:
        """Numbers that one value works through."""

    @property
    def has_means(self) -> bool:
        """Whether the fixed effects hold a mean of every random effect."""

    def value(self, theta: FloatArray) -> float:
        """Return the deviance; +inf where it does not exist."""


@dataclass(frozen=True, slots=True)
class _Ray:
    """Points along one direction: the thetas at increasing sizes, and the optimum's own size."""

    unit: FloatArray
    rest: FloatArray
    size: float


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
    template = objective.template
    is_small = objective.looks <= FEW
    if not (is_small or not objective.has_means or _is_singular(template, found, objective.scale)):
        return found
    for _ in range(ROUNDS):
        better = _deeper(objective, found, control)
        if better is None:
            break
        found = better
    return found


def _is_singular(template: FreeTemplate, found: Optimum, scale: FloatArray) -> bool:
    factors = template.matrices(found.end / scale)
    return any(np.linalg.svd(lam, compute_uv=False)[-1] < FIRST**2 for lam in factors)


def _deeper(objective: Landscape, found: Optimum, control: Control) -> Optimum | None:
    """Return an optimum that is deeper than `found`, None if no ray leads to one."""
    starts: list[tuple[float, tuple[float, ...]]] = []
    is_singular = _is_singular(objective.template, found, objective.scale)
    rays = _rays(objective.template, found.end / objective.scale, every=is_singular)
    for ray in rays:
        starts += _valleys(objective, ray, found.criterion, insist=is_singular)
    log, best = list(found.log), found
    for value, start in sorted(set(starts))[:STARTS]:
        if best is not found and value > best.criterion:
            break
        other = minimise(objective, np.array(start), control)
        log += other.log
        size = float(np.abs(other.end / objective.scale).max())
        if (
            other.converged
            and other.criterion < best.criterion - WORTH - NOISE * objective.n * size**2
        ):
            best = other
    if best is found:
        return None
    return replace(best, start=found.start, evaluations=len(log), log=tuple(log))


def _rays(template: FreeTemplate, phi: FloatArray, *, every: bool) -> Iterator[_Ray]:
    """Rays through the optimum, in units of the scaled theta.

    Each column of a term alone and perfect correlations only with `every`, for boundary solutions:
    an interior point is left by its whole factor first.
    """
    term, row, col = template.index
    is_diagonal = row == col
    size = float(np.sqrt(phi @ phi / max(is_diagonal.sum(), 1)))
    several = len(template.sizes) > 1
    for t, k in enumerate(template.sizes):
        own = term == t
        rest = np.where(own, 0.0, phi)
        length = float(np.sqrt(phi[own] @ phi[own] / k))
        yield _Ray(np.where(own & is_diagonal, 1.0, 0.0), rest, length)
        for r in range(k if every and k > 1 else 0):
            alone = own & (row == r)
            unit = np.where(alone & is_diagonal, 1.0, 0.0)
            yield _Ray(unit, rest, float(np.sqrt(phi[alone] @ phi[alone])))
        for sign in (1.0, -1.0) if every and k > 1 else ():
            # Perfect correlations, of the first column with all others.
            signed = np.where(row == 0, 1.0, sign)
            yield _Ray(np.where(own & (col == 0), signed, 0.0), rest, length)
    if several:
        # A factor at zero stays there: the deviance may say nothing about it at all.
        held = is_diagonal & np.isin(term, term[phi != 0.0])
        yield _Ray(np.where(held, 1.0, 0.0), np.zeros(phi.size), size)
        if not held[is_diagonal].all():
            yield _Ray(np.where(is_diagonal, 1.0, 0.0), np.zeros(phi.size), size)


def _valleys(
    objective: Landscape, ray: _Ray, floor: float, *, insist: bool
) -> list[tuple[float, tuple[float, ...]]]:
    """Return value and theta of the floors along a ray that are not the optimum's own valley.

    With `insist` (a boundary solution) the lowest point elsewhere if there is no floor.
    """
    step = STEP if objective.has_means else FINE_STEP
    sizes = [0.0, *(FIRST * step**i for i in range(COUNT))]
    values = [_look(objective, ray, s) for s in sizes]
    while not objective.has_means and sizes[-1] < FURTHEST:
        sizes.append(sizes[-1] * step)
        values.append(_look(objective, ray, sizes[-1]))
    if max(values) - min(values) < WORTH:
        return []  # the deviance says nothing about this factor
    while values[-1] < values[-2] and sizes[-1] < FURTHEST:
        sizes.append(sizes[-1] * step)
        values.append(_look(objective, ray, sizes[-1]))
    around = [np.inf, *values, np.inf]
    own = [s / step <= ray.size <= max(s * step, FIRST) for s in sizes]
    chosen = []
    for i, value in enumerate(values):
        is_floor = value <= min(around[i], around[i + 2]) and not own[i]
        # What is left after a factor took nearly all is known to as many digits less.
        rounding = NOISE * objective.n * sizes[i] ** 2
        if value < floor - WORTH - rounding or (is_floor and value < floor + NEAR):
            chosen.append(i)
    elsewhere = [i for i in range(1, len(sizes)) if not own[i] and np.isfinite(values[i])]
    if insist and not chosen and elsewhere:
        lowest = min(elsewhere, key=lambda i: values[i])
        chosen += [lowest] if values[lowest] < floor + NEAR else []
    thetas = [(ray.rest + sizes[i] * ray.unit) * objective.scale for i in chosen]
    return [(values[i], tuple(theta.tolist())) for i, theta in zip(chosen, thetas, strict=True)]


def _look(objective: Landscape, ray: _Ray, size: float) -> float:
    return objective.value((ray.rest + size * ray.unit) * objective.scale)
