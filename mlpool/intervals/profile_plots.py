"""Pictures of profiles and bootstrap draws, made when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.intervals.profile_pairs import pair_contours
from mlpool.registry import verb
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from plotnine import ggplot


def draw_profile(points: pd.DataFrame, bounds: pd.DataFrame, kind: str, level: float) -> ggplot:
    """Return zeta curves, or the densities that belong to them, one panel per parameter.

    Parameters
    ----------
    points : DataFrame
        Parameter, Value, zeta.
    bounds : DataFrame
        Of the interval marked, by parameter.
    kind : {"zeta", "density"}
        ``"density"``: phi(zeta) d zeta / d value, a normal density where zeta is straight.
    level : float
    """
    names = list(bounds.index)
    lines = pd.concat([_line(name, points, kind) for name in names], ignore_index=True)
    marks = pd.concat(
        [_marks(name, points, tuple(bounds.loc[name]), kind) for name in names], ignore_index=True
    )
    label = "zeta" if kind == "zeta" else "profile density"
    drawn: ggplot = verb("plot_curves")(lines, marks, names, label=label, level=level, kind=kind)
    return drawn


def draw_pairs(points: pd.DataFrame, names: list[str], correlation: FloatArray) -> ggplot:
    """Return contours of every pair of parameters.

    Parameters
    ----------
    points : DataFrame
        Parameter, Value, zeta.
    names : list of str
    correlation : ndarray of shape (k, k)

    Raises
    ------
    OptionError
        For fewer than two parameters that have a contour.
    """
    lines = pair_contours(points, names, correlation) if len(names) > 1 else pd.DataFrame()
    if lines.empty:
        raise OptionError("kind='splom' draws pairs: profile two parameters or more.")
    centre = points[points["zeta"] == 0.0].groupby("Parameter")["Value"].first()
    drawn: ggplot = verb("plot_pairs")(lines, names, centre)
    return drawn


def _interpolated(name: str, points: pd.DataFrame) -> Any:
    """Return zeta as a monotone function of the value; None for a single point."""
    from scipy.interpolate import PchipInterpolator

    own = points[points["Parameter"] == name].drop_duplicates("Value")
    if len(own) < 2:
        return None
    # Rounding may leave two neighbours of the boundary in the wrong order.
    zeta = np.maximum.accumulate(own["zeta"].to_numpy())
    return PchipInterpolator(own["Value"].to_numpy(), zeta)


def _density(curve: Any, x: Any) -> Any:
    return np.exp(-0.5 * curve(x) ** 2) / np.sqrt(2.0 * np.pi) * curve.derivative()(x)


def _line(name: str, points: pd.DataFrame, kind: str) -> pd.DataFrame:
    own = points[points["Parameter"] == name]
    curve = _interpolated(name, points)
    if curve is None:
        return pd.DataFrame({"Parameter": name, "x": own["Value"], "y": own["zeta"]})
    x = np.linspace(curve.x[0], curve.x[-1], 161)
    y = curve(x) if kind == "zeta" else _density(curve, x)
    return pd.DataFrame({"Parameter": name, "x": x, "y": y})


def _marks(name: str, points: pd.DataFrame, bounds: tuple[float, ...], kind: str) -> pd.DataFrame:
    """Return where the interval's ends (those inside the picture) and the estimate are."""
    curve = _interpolated(name, points)
    own = points[points["Parameter"] == name]
    at = [v for v in bounds if np.isfinite(v)] + list(own.loc[own["zeta"] == 0.0, "Value"])[:1]
    if curve is None or not at:
        return pd.DataFrame({"Parameter": [], "x": [], "y": []})
    x = np.clip(np.array(at), curve.x[0], curve.x[-1])
    y = curve(x) if kind == "zeta" else _density(curve, x)
    return pd.DataFrame({"Parameter": name, "x": x, "y": y})


def draw_bootstrap(
    draws: pd.DataFrame, estimate: pd.Series, bounds: pd.DataFrame, kind: str, level: float
) -> ggplot:
    """Return the distributions of draws with their intervals, one panel per parameter."""
    long = draws.melt(var_name="Parameter", value_name="x").dropna()
    drawn: ggplot = verb("plot_draws")(long, estimate, bounds, kind=kind, level=level)
    return drawn
