"""Names and values of all parameters of a mixed model on the SD scale, in lme4's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpool.inference.small_sample.information import vech_positions
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import mixed_fit

if TYPE_CHECKING:
    from mlpool.models.fitted import FittedModel


def sd_scale(theta: FloatArray, scale: float, sizes: tuple[int, ...]) -> FloatArray:
    """Return SDs and correlations (k,), each term's lower triangle column by column.

    A correlation beside a SD of zero is NaN.

    Parameters
    ----------
    theta : ndarray of shape (k,)
    scale : float
        sigma where theta is relative to it (lmer), else 1.
    sizes : tuple of int
        Columns of each term.
    """
    out: list[float] = []
    for lam, size in zip(relative_factors(theta, sizes), sizes, strict=True):
        sigma = lam @ lam.T
        sd = np.sqrt(np.diag(sigma))
        with np.errstate(divide="ignore", invalid="ignore"):
            cor = np.clip(sigma / np.outer(sd, sd), -1.0, 1.0)
        out += [scale * sd[r] if r == c else cor[r, c] for r, c in vech_positions(size)]
    return np.array(out, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdScale:
    """How a model's estimates become its parameters on the SD scale.

    Attributes
    ----------
    sizes : tuple of int
        Columns of each random-effects term; empty for models without.
    is_relative : bool
        Whether theta is relative to sigma (lmer).
    has_sigma : bool
        Whether a residual SD (or a dispersion's root) is among the parameters.
    """

    sizes: tuple[int, ...]
    is_relative: bool
    has_sigma: bool

    @classmethod
    def of(cls, m: FittedModel) -> SdScale:
        """Return that of a fitted model."""
        return cls(
            sizes=tuple(r.z.shape[1] for r in m.design.random),
            is_relative=m.kind == "lmer",
            has_sigma=m.is_mixed and (m.family is None or m.family.has_dispersion),
        )

    def stack(self, beta: FloatArray, theta: FloatArray, sigma: float) -> FloatArray:
        """Return SDs and correlations, sigma, coefficients: as :func:`parameter_names`."""
        scale = sigma if self.is_relative else 1.0
        own = [sigma] if self.has_sigma else []
        return np.concatenate([sd_scale(theta, scale, self.sizes), own, beta])


def random_names(m: FittedModel, *, old: bool = False) -> list[str]:
    """Return lme4's names of SDs, correlations and sigma; empty for models without random effects.

    Parameters
    ----------
    m : FittedModel
    old : bool
        ``.sig01``, ``.sigma`` instead of ``sd_(Intercept)|school``, ``sigma``.
    """
    if not m.is_mixed:
        return []
    names = []
    for random in m.design.random:
        for row, column in vech_positions(random.z.shape[1]):
            own = random.z.names[row]
            if row == column:
                names.append(f"sd_{own}|{random.group}")
            else:
                names.append(f"cor_{own}.{random.z.names[column]}|{random.group}")
    if old:
        names = [f".sig{i + 1:02d}" for i in range(len(names))]
    if SdScale.of(m).has_sigma:
        names.append(".sigma" if old else "sigma")
    return names


def random_places(m: FittedModel) -> tuple[tuple[int, int, int], ...]:
    """Return term, row and column of every random parameter; sigma is (-1, 0, 0)."""
    places = [
        (t, row, column)
        for t, random in enumerate(m.design.random)
        for row, column in vech_positions(random.z.shape[1])
    ]
    return (*places, (-1, 0, 0)) if SdScale.of(m).has_sigma else tuple(places)


def parameter_names(m: FittedModel, *, old: bool = False) -> list[str]:
    """Return the names of all parameters: SDs and correlations, sigma, coefficients."""
    return [*random_names(m, old=old), *m.names]


def parameter_values(m: FittedModel) -> FloatArray:
    """Return the estimates of all parameters in the order of :func:`parameter_names`."""
    if not m.is_mixed:
        return np.asarray(m.fit.beta, dtype=np.float64)
    return SdScale.of(m).stack(m.fit.beta, mixed_fit(m).theta, m.sigma)
