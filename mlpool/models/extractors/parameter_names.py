"""Names and values of all parameters of a mixed model on the SD scale, in lme4's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.designs.residual_facts import residual_names
from mlpool.formula.types import BarStructure
from mlpool.inference.small_sample.information import vech_positions
from mlpool.models.extractors.random_effects import relative_factors
from mlpool.models.extractors.varcorr_block import common_correlation
from mlpool.typing import FloatArray
from mlpool.uncertainty.fit_records import residual_fit

if TYPE_CHECKING:
    from mlpool.engine.residual.types import ResidualFit
    from mlpool.models.fitted import FittedModel


Structures = tuple[BarStructure | None, ...]
"""Of every random-effects term; None: the effects vary together freely."""


def covariance_places(size: int, structure: BarStructure | None) -> list[tuple[int, int]]:
    """Return row and column of every parameter of a term: SDs in the diagonal, correlations.

    Terms with a structure have their SDs (one if they share it), and one correlation at (1, 0).
    """
    if structure is None:
        return vech_positions(size)
    places = [(i, i) for i in range(1 if structure.is_homogeneous else size)]
    return places if structure.kind == "diag" else [*places, (1, 0)]


def sd_scale(
    theta: FloatArray, scale: float, sizes: tuple[int, ...], structures: Structures
) -> FloatArray:
    """Return SDs and correlations (k,), each term's lower triangle column by column.

    A correlation beside a SD of zero is NaN.

    Parameters
    ----------
    theta : ndarray of shape (k,)
    scale : float
        sigma where theta is relative to it (lmer), else 1.
    sizes : tuple of int
        Columns of each term.
    structures : tuple of (BarStructure or None)
    """
    out: list[float] = []
    factors = relative_factors(theta, sizes)
    for lam, size, structure in zip(factors, sizes, structures, strict=True):
        sigma = lam @ lam.T
        sd = np.sqrt(np.diag(sigma))
        with np.errstate(divide="ignore", invalid="ignore"):
            cor = np.clip(sigma / np.outer(sd, sd), -1.0, 1.0)
        if structure is not None and size > 1:
            cor[1, 0] = common_correlation(cor)
        places = covariance_places(size, structure)
        out += [scale * sd[r] if r == c else cor[r, c] for r, c in places]
    return np.array(out, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdScale:
    """How a model's estimates become its parameters on the SD scale.

    Attributes
    ----------
    sizes : tuple of int
        Columns of each random-effects term; empty for models without.
    structures : tuple of (BarStructure or None)
        Of each term.
    is_relative : bool
        Whether theta is relative to sigma (lmer).
    has_sigma : bool
        Whether a residual SD (or a dispersion's root) is among the parameters.
    """

    sizes: tuple[int, ...]
    structures: Structures
    is_relative: bool
    has_sigma: bool

    @classmethod
    def of(cls, m: FittedModel) -> SdScale:
        """Return that of a fitted model."""
        return cls(
            sizes=tuple(r.z.shape[1] for r in m.design.random),
            structures=tuple(r.structure for r in m.design.random),
            is_relative=m.kind in ("lmer", "gls"),
            has_sigma=m.kind == "gls"
            or (m.is_mixed and (m.family is None or m.family.has_dispersion)),
        )

    def stack(self, beta: FloatArray, theta: FloatArray, sigma: float) -> FloatArray:
        """Return SDs and correlations, sigma, coefficients: as :func:`parameter_names`."""
        scale = sigma if self.is_relative else 1.0
        own = [sigma] if self.has_sigma else []
        return np.concatenate([sd_scale(theta, scale, self.sizes, self.structures), own, beta])


def random_names(m: FittedModel, *, old: bool = False) -> list[str]:
    """Return lme4's names of SDs, correlations and sigma; empty for models without random effects.

    A residual structure's parameters follow, as their tables name them.

    Parameters
    ----------
    m : FittedModel
    old : bool
        ``.sig01``, ``.sigma`` instead of ``sd_(Intercept)|school``, ``sigma``.
    """
    if not m.is_mixed and m.kind != "gls":
        return []
    names = []
    for random in m.design.random:
        structure = random.structure
        for row, column in covariance_places(random.z.shape[1], structure):
            own = random.z.names[row]
            if structure is not None and row != column:
                names.append(f"cor_rho|{random.group}")
            elif structure is not None and structure.is_homogeneous:
                names.append(f"sd_*|{random.group}")
            elif row == column:
                names.append(f"sd_{own}|{random.group}")
            else:
                names.append(f"cor_{own}.{random.z.names[column]}|{random.group}")
    if old:
        names = [f".sig{i + 1:02d}" for i in range(len(names))]
    if SdScale.of(m).has_sigma:
        names.append(".sigma" if old else "sigma")
    return names + list(structure_values(m, residual_fit(m))) if m.kind == "gls" else names


def structure_values(m: FittedModel, record: ResidualFit) -> dict[str, float]:
    """Return the parameters of a residual structure by name, as a fit record of `m` has them.

    Ratios of standard deviations, exponents and powers; a name that two of them have is numbered.
    """
    names = residual_names(m)
    shown = [
        float(v) if name in ("expon", "power") else float(np.exp(v))
        for name, v in zip(names.variance, record.variance, strict=True)
    ]
    out: dict[str, float] = {}
    for name, value in zip(
        (*names.correlation, *names.variance), [*record.correlation.tolist(), *shown], strict=True
    ):
        out[name if name not in out else f"{name}.{len(out)}"] = value
    return out


def record_values(m: FittedModel, record: Any, sigma: float) -> FloatArray:
    """Return all parameters of a fit record of m, in the order of :func:`parameter_names`."""
    if m.kind != "gls":
        return SdScale.of(m).stack(record.beta, record.theta, sigma)
    scale = SdScale.of(m)
    random = sd_scale(record.theta, record.sigma, scale.sizes, scale.structures)
    own = list(structure_values(m, record).values())
    return np.concatenate([random, [record.sigma], own, record.beta])


def random_places(m: FittedModel) -> tuple[tuple[int, int, int], ...]:
    """Return term, row and column of every random parameter; sigma is (-1, 0, 0)."""
    places = [
        (t, row, column)
        for t, random in enumerate(m.design.random)
        for row, column in covariance_places(random.z.shape[1], random.structure)
    ]
    return (*places, (-1, 0, 0)) if SdScale.of(m).has_sigma else tuple(places)


def parameter_names(m: FittedModel, *, old: bool = False) -> list[str]:
    """Return the names of all parameters: SDs and correlations, sigma, coefficients."""
    return [*random_names(m, old=old), *m.names]


def parameter_values(m: FittedModel) -> FloatArray:
    """Return the estimates of all parameters in the order of :func:`parameter_names`."""
    if not m.is_mixed and m.kind != "gls":
        return np.asarray(m.fit.beta, dtype=np.float64)
    return record_values(m, m.fit, m.sigma)
