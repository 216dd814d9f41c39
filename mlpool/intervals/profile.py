"""`profile`: how the likelihood falls as each parameter moves away from its estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import check_option
from mlpool.floating_point import usual_floats
from mlpool.inference.profiles.profile_side import Curve, target_of
from mlpool.intervals.parameter_selection import interval_frame, read_level, read_parm
from mlpool.intervals.profile_pairs import correlations
from mlpool.intervals.profile_plots import draw_pairs, draw_profile
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.extractors.parameter_names import parameter_names, random_names
from mlpool.refits.likelihood_profiles import curves_of
from mlpool.refits.simulate import KINDS
from mlpool.registry import verb

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions
    from mlpool.models import FittedModel

OUTERMOST = 0.99
"""Level up to which curves are drawn: lme4's ``alphamax`` of 0.01."""
POINTS = 8
"""Points on each side of an estimate, besides those visited in search of bounds."""
AT_ZERO, AT_ONE = 1e-4, 1.0 - 1e-4
"""A SD below this share of the outcome's scale, or a correlation beyond, is at the boundary."""
LEAST = float(np.nextafter(0.0, 1.0))
"""SDs of glmer below this are zero only where they are exactly that."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile:
    """Likelihood profiles of a model's parameters. Printing it gives intervals.

    Attributes
    ----------
    model : FittedModel
    names : tuple of str
        Of the parameters profiled.
    positions : tuple of int
        Where they stand among all parameters.
    """

    model: FittedModel
    names: tuple[str, ...]
    positions: tuple[int, ...]

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The profile of each parameter."""
        found = curves_of(self.model)
        return tuple(found[i] for i in self.positions)

    @property
    def estimate(self) -> pd.Series:
        """Maximum-likelihood estimates, which the profiles are about (of REML fits, too)."""
        values = [curve.estimate for curve in self.curves]
        return pd.Series(values, index=list(self.names), name="Estimate")

    @property
    def frame(self) -> pd.DataFrame:
        """Columns Parameter, Value, zeta, Type (SD, correlation, sigma or coefficient)."""
        return self.to_frame()

    def to_frame(self, level: float = OUTERMOST, points: int = POINTS) -> pd.DataFrame:
        """Return points of the curves.

        Parameters
        ----------
        level : float
            Up to the zeta of this confidence level.
        points : int
            At least so many on each side.
        """
        target = target_of(read_level(level))
        parts = []
        for name, curve in zip(self.names, self.curves, strict=True):
            values, zeta = curve.points(target, points)
            parts.append(pd.DataFrame({"Parameter": name, "Value": values, "zeta": zeta}))
        return pd.concat(parts, ignore_index=True).dropna(ignore_index=True)

    def confint(self, parm: object = None, level: float = 0.95) -> pd.DataFrame:
        """Return where the likelihood has fallen as far as a normal one would.

        Parameters
        ----------
        parm : str, int or list, optional
            Names or positions among the parameters profiled.
        level : float

        Returns
        -------
        DataFrame (k, 2)
            A SD's lower bound is 0 and a correlation's bound -1 or 1 where the likelihood never
            falls so far; infinite for a coefficient then; NaN where it cannot be followed.
        """
        target = target_of(read_level(level))
        names = list(self.names)
        keep = range(len(names)) if parm is None else [names.index(n) for n in self._chosen(parm)]
        curves = self.curves
        bounds = np.array([curves[i].bounds(target) for i in keep]).reshape(-1, 2)
        return interval_frame([names[i] for i in keep], bounds, level)

    def notes(self, level: float = 0.95) -> tuple[str, ...]:
        """Say what is at a boundary, and which profiles do not close."""
        return tuple((*self.boundaries(), *self.open_ends(level)))

    def boundaries(self) -> list[str]:
        """Say which estimates are at the end of their range."""
        n_random = len(random_names(self.model))
        is_lmer = self.model.kind == "lmer"
        # glmer takes exact zeros; slopes far from their predictor's origin correlate by almost one
        # with the intercept without being singular.
        zero = AT_ZERO * float(self.model.sigma) if is_lmer else LEAST
        may_be_one = is_lmer or self.model.is_singular
        out = []
        for i, name, curve in zip(self.positions, self.names, self.curves, strict=True):
            if i >= n_random:
                continue
            estimate, is_cor = curve.estimate, random_names(self.model)[i].startswith("cor_")
            if is_cor and np.isnan(estimate):
                out.append(f"{name} is not defined beside a standard deviation of zero")
            elif is_cor and abs(estimate) > AT_ONE and may_be_one:
                out.append(f"{name} is estimated as {np.sign(estimate):.0f}")
            elif not is_cor and estimate < zero:
                out.append(f"{name} is estimated as 0")
        return out

    def open_ends(self, level: float = 0.95) -> list[str]:
        """Say which bounds are infinite or missing."""
        out = []
        for name, (low, high) in self.confint(level=level).iterrows():
            for side, value in (("below", low), ("above", high)):
                if np.isinf(value):
                    out.append(
                        f"the profile of {name} does not close {side}: its bound is infinite"
                    )
                elif np.isnan(value):
                    out.append(
                        f"the profile of {name} cannot be followed {side}: its bound is missing"
                    )
        return out

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return the profiles as a plot; see :func:`mlpool.plot`."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def _chosen(self, parm: object) -> list[str]:
        return [self.names[i] for i in read_parm(self.model, list(self.names), parm)]

    def _ggplot(self, kind: str = "zeta", level: float = 0.95, parameters: object = None) -> Any:
        check_option(kind, ("zeta", "density", "splom"), argument="kind")
        shown = self
        if parameters is not None:
            chosen = self._chosen(parameters)
            at = [self.names.index(name) for name in chosen]
            shown = Profile(
                model=self.model, names=tuple(chosen),
                positions=tuple(self.positions[i] for i in at),
            )  # fmt: skip
        if kind == "splom":
            at = list(shown.positions)
            pairs = correlations(self.model)[np.ix_(at, at)]
            return draw_pairs(shown.to_frame(OUTERMOST), list(shown.names), pairs)
        return draw_profile(
            shown.to_frame(max(OUTERMOST, level)), shown.confint(level=level), kind, level
        )

    def __repr__(self) -> str:
        """Return estimates and 95 % intervals, and what there is to say about them."""
        table = self.confint()
        table.insert(0, "Estimate", self.estimate)
        lines = [f"{note[0].upper()}{note[1:]}." for note in self.notes()]
        how = "ML refit of a REML fit" if self.model.reml else "likelihood"
        return "\n".join([f"Profile ({how}): {self.model.formula.text}", str(table), *lines])


@usual_floats
def profile(m: FittedModel, parm: object = None, *, oldNames: bool = True) -> Profile:
    """Profile the likelihood of a fitted model's parameters (R's ``profile``).

    For each value of a parameter the deviance is minimised over all others; zeta is the signed
    root of its rise. A straight line means that the Wald interval holds; a bent one shows which
    way the likelihood leans. A REML fit is profiled at its ML refit, as in lme4.

    Parameters
    ----------
    m : GeneralizedLinearModel, LinearMixedModel or GeneralizedLinearMixedModel
    parm : str, int or list, optional
        Names or positions; ``"theta_"`` and ``"beta_"`` for random and fixed ones.
    oldNames : bool
        lme4's ``.sig01``, ``.sigma``; False: ``sd_(Intercept)|school``, ``sigma``.

    Returns
    -------
    Profile
        With ``.frame`` (Parameter, Value, zeta), ``.confint()``, ``.plot()``: ``kind="zeta"``,
        ``"density"`` or ``"splom"`` (contours of pairs), lme4's ``xyplot``, ``densityplot`` and
        ``splom``. Curves are found when they are asked for, and kept.

    Raises
    ------
    NotSupportedError
        For lm (its intervals are exact) and for ``nAGQ=0``.
    OptionError
        For unknown parameters.

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), section 5.1.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    >>> p = mlpool.profile(m)
    >>> print(p.confint().round(2))
                   2.5 %   97.5 %
    .sig01         12.20    84.06
    .sigma         38.23    67.66
    (Intercept)  1486.45  1568.55
    """
    require_kind(m, KINDS, "profile()")
    if m.kind == "lm":
        curves_of(m)
    names = parameter_names(m, old=_flag(oldNames))
    keep = read_parm(m, names, parm)
    return Profile(model=m, names=tuple(names[i] for i in keep), positions=tuple(keep))


def _flag(value: object) -> bool:
    check_option(str(value), ("True", "False"), argument="oldNames")
    return bool(value)
