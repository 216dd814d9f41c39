"""Reference cases to data frames: the steps that the R scripts applied to the CSVs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Case = dict[str, Any]

_EXPRESSIONS = {
    "incidence / size": lambda d: d["incidence"] / d["size"],
    "log_baseline": lambda d: d["log_baseline"],
    "2 * Days + 1": lambda d: 2 * d["Days"] + 1,
    "2 * Days": lambda d: 2 * d["Days"],
    "3 * Days + 10": lambda d: 3 * d["Days"] + 10,
    "1 + (Days %% 3)": lambda d: 1 + d["Days"] % 3,
    "as.numeric(math > 60)": lambda d: (d["math"] > 60).astype(float),
    "ifelse(female == 1, 'girl', 'boy')": lambda d: np.where(d["female"] == 1, "girl", "boy"),
    "ifelse(female == 1, 'female', 'male')": lambda d: np.where(d["female"] == 1, "female", "male"),
}


def load_cases(shared: Path, family: str) -> list[Case]:
    """Return the cases of one reference file."""
    return json.loads((shared / "reference" / f"{family}.json").read_text())["cases"]


def load_data(shared: Path, case: Case) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the prepared data and the contrasts of a case."""
    path = shared / "data" / case["data"]
    d = pd.read_csv(path, encoding="utf-8-sig", keep_default_na=False, na_values=["NA"])
    contrasts: dict[str, str] = {}
    for step in case["prep"] or []:
        d = _apply(d, step, contrasts)
    return d, contrasts


def _apply(d: pd.DataFrame, step: dict[str, Any], contrasts: dict[str, str]) -> pd.DataFrame:
    op, col = step["op"], step.get("col")
    d = d.copy()
    if op in ("factor", "ordered"):
        d[col] = _factor(d[col], step.get("levels"), ordered=op == "ordered")
    elif op == "contrast":
        contrasts[col] = step["type"]
        if step.get("base"):
            levels = [step["base"], *(v for v in d[col].cat.categories if v != step["base"])]
            d[col] = d[col].cat.reorder_categories(levels)
    elif op == "mutate":
        d[col] = _EXPRESSIONS[step["expr"]](d)
    elif op == "rename":
        d = d.rename(columns={step["from"]: step["to"]})
    elif op == "set_na":
        d[col] = d[col].astype(object if isinstance(d[col].dtype, pd.CategoricalDtype) else float)
        d.loc[np.array(step["rows"]) - 1, col] = np.nan
    elif op in ("group_mean", "group_center"):
        means = d.groupby(step["by"], observed=True)[col].transform("mean")
        d[step["new"]] = means if op == "group_mean" else d[col] - means
    else:
        raise NotImplementedError(op)
    return d


def _factor(column: pd.Series, levels: list[Any] | None, *, ordered: bool) -> pd.Series:
    if levels is None:
        levels = sorted(column.dropna().unique())
    elif pd.api.types.is_numeric_dtype(column.dtype):
        levels = [float(v) for v in levels]
    return column.astype(pd.CategoricalDtype(levels, ordered=ordered))
