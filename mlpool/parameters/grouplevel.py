"""Random effects of every level: one table per grouping factor."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import pandas as pd

from mlpool.models.mixed_model import group_effects
from mlpool.parameters.parameters_table import RANDOM, ParametersLayout

if TYPE_CHECKING:
    from mlpool.models import MixedModel


def group_level_frame(model: MixedModel, level: float | None) -> pd.DataFrame:
    """Return conditional modes with standard errors and normal intervals.

    Returns
    -------
    DataFrame
        Group, Level, Parameter, Coefficient, SE, CI, CI_low, CI_high; a parameter's levels stay
        together.
    """
    modes = group_effects(model)
    frames = []
    for group, frame in modes.items():
        errors = modes.sd[group]
        for parameter in frame.columns:
            frames.append(
                pd.DataFrame(
                    {
                        "Group": group,
                        "Level": [str(v) for v in frame.index],
                        "Parameter": parameter,
                        "Coefficient": frame[parameter].to_numpy(),
                        "SE": errors[parameter].to_numpy(),
                    }
                )
            )
    result = pd.concat(frames, ignore_index=True)
    if level is not None:
        half = NormalDist().inv_cdf(0.5 * (1.0 + level)) * result["SE"]
        result["CI"] = level
        result["CI_low"] = result["Coefficient"] - half
        result["CI_high"] = result["Coefficient"] + half
    return result


def group_level_layout(frame: pd.DataFrame, level: float | None) -> ParametersLayout:
    """Return the layout: rows named ``(Intercept) [308]`` below a heading per group."""
    names = zip(frame["Parameter"], frame["Level"], strict=True)
    return ParametersLayout(
        labels=tuple(f"{parameter} [{level_}]" for parameter, level_ in names),
        headings=tuple(f"{RANDOM}: {group}" for group in frame["Group"]),
        level=level,
    )
