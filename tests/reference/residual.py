"""Data of the reference cases with residual structures: the R steps in pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd


def _without(rows):
    """Leave out rows by R's numbers."""
    return lambda d: ~np.isin(np.arange(1, len(d) + 1), rows)


_GAPS = [3, 4, 17, 28, 29, 30, 55, 81, 100, 101, 140, 152, 177, 180]
_DROP_OUT = [4, 7, 12, 23, 24, 41, 58, 62, 77, 90, 91, 108]

EXPRESSIONS = {
    f"!(seq_along(Days) %in% c({', '.join(map(str, _GAPS))}))": _without(_GAPS),
    f"!(seq_along(age) %in% c({', '.join(map(str, _DROP_OUT))}))": _without(_DROP_OUT),
    "!is.na(FEV1)": lambda d: d.FEV1.notna(),
    "(age - 6) / 2": lambda d: (d.age - 6) / 2,
    "Days + 1": lambda d: d.Days + 1,
    "factor(visit)": lambda d: pd.Categorical(d.visit.astype(int).astype(str)),
    "ifelse(Days >= 5, 'late', 'early')": lambda d: np.where(d.Days >= 5, "late", "early"),
    "ifelse(Treatment == 'Control', 'control', 'dosed')": lambda d: np.where(
        d.Treatment == "Control", "control", "dosed"
    ),
    "ifelse(public == 1, 'public', 'private')": lambda d: np.where(
        d.public == 1, "public", "private"
    ),
}


def prepare(case, shared):
    """Return the data of a case."""
    path = shared / "data" / case["data"]
    d = pd.read_csv(path, encoding="utf-8-sig", keep_default_na=False, na_values=["NA"])
    for step in case["prep"] or []:
        column = step.get("col")
        if step["op"] == "mutate":
            d[column] = EXPRESSIONS[step["expr"]](d)
        elif step["op"] == "filter":
            d = d[np.asarray(EXPRESSIONS[step["expr"]](d))].reset_index(drop=True)
        else:
            assert step["op"] == "factor"
            d[column] = _factor(d[column], step.get("levels"))
    return d


def _factor(values, levels):
    if levels is None:
        levels = sorted(values.dropna().unique())
    texts = [str(v) for v in levels]
    whole = values.map(lambda v: str(int(v)) if isinstance(v, float) and v == int(v) else str(v))
    return pd.Categorical(whole, categories=texts)
