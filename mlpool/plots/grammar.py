"""plotnine, imported when the first plot is made, and the look that all plots share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.argument_values import number
from mlpool.errors import NotSupportedError, OptionError, brief, nearest_names

if TYPE_CHECKING:
    from plotnine import theme

PALETTE = (
    "#D55E00", "#009E73", "#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#8C6D31", "#000000",
    "#882255", "#999999",
)  # fmt: skip
"""Colours that colour-blind readers tell apart (Okabe & Ito 2008), red and green-blue first."""

MAX_COLOURS = 10
"""Levels beyond this share one colour, and no legend is drawn: nobody could read it."""

MAX_LABELS = 60
"""Levels beyond this stand on an axis without labels."""

LINE_COLOUR = "#0072B2"

SHADE = ("#9ECAE1", "#08306B")
"""Ends of the scale of a number in colours: small values are light."""


def grammar() -> Any:
    """Return the plotnine module.

    Raises
    ------
    NotSupportedError
        If it is not installed.
    """
    try:
        import plotnine
    except ImportError:
        raise NotSupportedError(
            "Plots need plotnine, which is not installed; run: pip install plotnine"
        ) from None
    return plotnine


def theme_mlpool(base_size: float = 11) -> theme:
    """Return the theme of all plots: light, with thin grid lines."""
    g = grammar()
    size = number(base_size, "base_size", least=1.0, most=1000.0)
    look: theme = g.theme_minimal(base_size=size) + g.theme(
        panel_grid_minor=g.element_blank(),
        plot_title=g.element_text(weight="bold"),
        strip_text=g.element_text(weight="bold"),
    )
    return look


def geom_options(
    name: str, given: Mapping[str, object] | str | None, **defaults: object
) -> dict[str, Any]:
    """Return a layer's settings: the defaults, changed by what the user gave.

    ``linewidth`` and ``colour`` are R's words for plotnine's ``size`` and ``color``.

    Raises
    ------
    OptionError
        If `given` is no dict or names a setting that geoms do not have.
    """
    if given is None:
        return defaults
    if not isinstance(given, Mapping):
        raise OptionError(f"{name} must be a dict such as {{'color': 'red'}}; got {brief(given)}.")
    words = {"linewidth": "size", "colour": "color"}
    result = dict(defaults)
    known = ("alpha", "color", "fill", "linetype", "shape", "size", "stroke", "width", "height")
    for key, value in given.items():
        setting = words.get(key, key)
        if setting not in known:
            raise OptionError(f"{name} has no setting {brief(key)}.{nearest_names(key, known)}")
        result[setting] = value
    return result


def colours(n: int) -> list[str]:
    """Return n colours of the palette.

    Raises
    ------
    ValueError
        If `n` is larger than the palette (callers drop the colours then).
    """
    if n > MAX_COLOURS:
        raise ValueError(f"{n} colours asked of a palette of {MAX_COLOURS}")
    return list(PALETTE[:n])


def ordered(values: Any, levels: Any = None) -> Any:
    """Return strings as a categorical whose levels keep the order of the table."""
    import pandas as pd

    text = [str(v) for v in values]
    names = list(dict.fromkeys(text)) if levels is None else [str(v) for v in levels]
    return pd.Categorical(text, categories=names)


def whole_breaks(limits: tuple[float, float]) -> list[float]:
    """Return ticks at whole numbers: an axis of counts has no 9.5."""
    low, high = np.ceil(limits[0]), np.floor(limits[1])
    steps = (s * 10.0**k for k in range(15) for s in (1.0, 2.0, 5.0))
    step = next((s for s in steps if (high - low) / s <= 5.0), 1.0)
    return [float(v) for v in np.arange(np.ceil(low / step) * step, high + 0.5, step)]
