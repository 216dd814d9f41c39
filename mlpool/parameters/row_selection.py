"""Choosing and ordering the rows of a table."""

from __future__ import annotations

import re

import pandas as pd

from mlpool.argument_values import names as given_names
from mlpool.errors import OptionError, brief

WITHIN = "Within-Effects"
BETWEEN = "Between-Effects"


def keep_rows(frame: pd.DataFrame, keep: object, drop: object) -> tuple[pd.DataFrame, list[int]]:
    """Return the rows whose raw name matches `keep` and not `drop`, and their positions.

    Raises
    ------
    OptionError
        If a pattern is no regular expression, or no row is left.
    """
    if keep is None and drop is None:
        return frame, list(range(len(frame)))
    wanted, unwanted = _patterns("keep", keep), _patterns("drop", drop)
    kept = [
        i
        for i, name in enumerate(frame["Parameter"])
        if (keep is None or any(p.search(name) for p in wanted))
        and not any(p.search(name) for p in unwanted)
    ]
    if not kept:
        names = ", ".join(map(str, frame["Parameter"]))
        raise OptionError(f"keep and drop leave no row; the parameters are {names}.")
    return frame.iloc[kept].reset_index(drop=True), kept


def split_within_between(
    frame: pd.DataFrame, labels: tuple[str, ...], heading: str
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Return rows reordered (others, within, between) with the heading of each.

    A product counts as within if any of its variables is. Without such terms all rows keep
    `heading`.
    """
    components = [_component(name) for name in frame["Parameter"]]
    if not any(components):
        return frame, labels, (heading,) * len(frame)
    order = sorted(range(len(frame)), key=lambda i: ("", WITHIN, BETWEEN).index(components[i]))
    return (
        frame.iloc[order].reset_index(drop=True),
        tuple(labels[i] for i in order),
        tuple(components[i] for i in order),
    )


def _component(name: str) -> str:
    variables = name.split(":")
    if any(v.endswith("_within") for v in variables):
        return WITHIN
    return BETWEEN if any(v.endswith("_between") for v in variables) else ""


def _patterns(argument: str, patterns: object) -> list[re.Pattern[str]]:
    given = [] if patterns is None else given_names(patterns, argument)
    try:
        return [re.compile(p) for p in given]
    except (re.error, TypeError) as error:
        raise OptionError(
            f"{argument} must be a regular expression or a list of them; "
            f"got {brief(patterns)} ({error})."
        ) from None
