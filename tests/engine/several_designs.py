"""Small designs with several grouping factors, random and real, for the engine's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from mlpool.engine.types import ArrayRows, LmmData, ReTerm
from tests.reference.prepare import load_cases, load_data

Spec = tuple[tuple[str, tuple[int, ...]], ...]
"""(grouping factor, columns of X) of every term."""

SPECS: dict[str, Spec] = {
    "nested": (("class", (0,)), ("school", (0,))),
    "three nested": (("class", (0,)), ("school", (0,)), ("town", (0,))),
    "nested slopes": (("class", (0, 1)), ("school", (0,)), ("town", (0, 2))),
    "slope of the coarse factor": (("class", (0,)), ("school", (0, 1))),
    "crossed": (("class", (0,)), ("tester", (0,))),
    "crossed, slope first": (("class", (0, 1)), ("tester", (0,))),
    "crossed, slope second": (("class", (0,)), ("tester", (0, 1))),
    "crossed, no intercept": (("class", (1,)), ("tester", (2,))),
    "three crossed": (("tester", (0,)), ("month", (0,)), ("class", (1,))),
    "independent terms": (("class", (0,)), ("class", (1,)), ("tester", (2,)), ("tester", (0,))),
    "partly nested": (("class", (0,)), ("school", (0,)), ("tester", (0,))),
    "partly nested slopes": (("class", (0, 1)), ("school", (0, 2)), ("tester", (0, 1))),
    "everything": (
        ("class", (0, 1)),
        ("school", (0, 2)),
        ("town", (0,)),
        ("tester", (0, 1)),
        ("month", (0,)),
    ),
    "three columns": (("class", (0, 1, 2)), ("tester", (0, 1, 2)), ("month", (0, 1))),
    "a column twice": (("class", (0,)), ("class", (0, 1)), ("tester", (0,)), ("tester", (0, 1))),
    "the same partition": (("class", (0,)), ("copy", (1,)), ("tester", (0,))),
}


def n_theta(spec: Spec) -> int:
    return sum(len(columns) * (len(columns) + 1) // 2 for _, columns in spec)


def several_data(spec: Spec, seed: int = 0, *, weights: bool = False, n: int = 70) -> LmmData:
    """Twelve classes in four schools in two towns, five testers and four months at random."""
    rng = np.random.default_rng(seed)

    def some(levels: int) -> np.ndarray:
        return rng.permutation(np.append(np.arange(levels), rng.integers(0, levels, n - levels)))

    cls, tester, month = some(12), some(5), some(4)
    codes = {
        "class": cls,
        "copy": (cls + 5) % 12,
        "school": cls // 3,
        "town": cls // 6,
        "tester": tester,
        "month": month,
    }
    X = np.column_stack([np.ones(n), rng.normal(3, 1, n), rng.normal(size=n)])
    b, c = rng.normal(size=(12, 3)) * 0.8, rng.normal(size=(5, 3)) * 0.5
    y = 3 + X @ [0, 1, -0.5] + (X * (b[cls] + c[tester])).sum(axis=1) + rng.normal(size=n)
    ids = {name: i for i, name in enumerate(dict.fromkeys(name for name, _ in spec))}
    return LmmData(
        y=y,
        X=ArrayRows(X),
        terms=tuple(
            ReTerm(
                z=ArrayRows(X[:, list(columns)]),
                codes=codes[name],
                n_levels=int(codes[name].max()) + 1,
                factor=ids[name],
            )
            for name, columns in spec
        ),
        weights=rng.uniform(0.3, 3, n) if weights else None,
        offset=rng.normal(size=n) if weights else None,
    )


def random_theta(spec: Spec, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, n_theta(spec))


@st.composite
def several_cases(draw: Callable[..., Any]) -> tuple[LmmData, np.ndarray, bool]:
    """Data, a theta inside the bounds (zeros and nearly zeros included) and REML or ML."""
    spec = draw(st.sampled_from(list(SPECS.values())))
    data = several_data(spec, draw(st.integers(0, 10_000)), weights=draw(st.booleans()))
    entry = st.one_of(
        st.sampled_from([0.0, 1e-5, 2e-3]),
        st.floats(-1.5, 1.5).map(lambda v: round(v, 3)),
    )
    theta = np.array(draw(st.lists(entry, min_size=n_theta(spec), max_size=n_theta(spec))))
    at = 0
    for _, columns in spec:
        for col in range(len(columns)):
            theta[at] = abs(theta[at])
            at += len(columns) - col
    return data, theta, draw(st.booleans())


def one_level_data(
    y: np.ndarray, X: np.ndarray, groups: dict[str, np.ndarray]
) -> tuple[LmmData, dict[str, pd.Index]]:
    """Random intercepts of some grouping columns, largest first, and their levels."""
    found = {name: pd.factorize(column, sort=True) for name, column in groups.items()}
    order = sorted(found, key=lambda name: -len(found[name][1]))
    ones = ArrayRows(np.ones((len(y), 1)))
    terms = tuple(
        ReTerm(z=ones, codes=found[name][0], n_levels=len(found[name][1]), factor=i)
        for i, name in enumerate(order)
    )
    levels = {name: pd.Index(found[name][1].astype(str)) for name in order}
    return LmmData(y=y.astype(float), X=ArrayRows(X), terms=terms), levels


# --- R's cases ------------------------------------------------------------------------------


def _pair(d: pd.DataFrame, *names: str) -> np.ndarray:
    text = d[names[0]].astype(str)
    for name in names[1:]:
        text = text + ":" + d[name].astype(str)
    return text.to_numpy(dtype=object)


def _ones(d: pd.DataFrame, *columns: Any) -> np.ndarray:
    return np.column_stack([np.ones(len(d)), *(np.asarray(c, dtype=float) for c in columns)])


def _single(d: pd.DataFrame, *names: str) -> dict[str, np.ndarray]:
    return {name: d[name].astype(str).to_numpy(dtype=object) for name in names}


_CASES: dict[str, Callable[[pd.DataFrame], tuple[str, np.ndarray, dict[str, np.ndarray]]]] = {
    "penicillin_crossed": lambda d: ("diameter", _ones(d), _single(d, "plate", "sample")),
    "penicillin_crossed_ml": lambda d: ("diameter", _ones(d), _single(d, "plate", "sample")),
    "pastes_nested_slash": lambda d: (
        "strength",
        _ones(d),
        {"cask:batch": _pair(d, "cask", "batch"), **_single(d, "batch")},
    ),
    "pastes_sample_batch_ml": lambda d: ("strength", _ones(d), _single(d, "sample", "batch")),
    "cake_add_slope": lambda d: (
        "angle",
        _ones(d, d["recipe"] == "B", d["recipe"] == "C", d["temp"]),
        {"recipe:replicate": _pair(d, "recipe", "replicate"), **_single(d, "replicate")},
    ),
    "chem97_nested": lambda d: (
        "score",
        _ones(d, d["gcsecnt"], d["gender"] == "F"),
        {"school:lea": _pair(d, "school", "lea"), **_single(d, "lea")},
    ),
    "chem97_rs_ml": lambda d: ("score", _ones(d, d["gcsecnt"]), _single(d, "school", "lea")),
    "insteval_crossed3": lambda d: (
        "y",
        _ones(d, d["service"].astype(str) == "1"),
        {**_single(d, "s", "d"), "dept:service": _pair(d, "dept", "service")},
    ),
    "insteval_crossed2_ml": lambda d: (
        "y",
        _ones(d, d["service"].astype(str) == "1"),
        _single(d, "s", "d"),
    ),
}
REFERENCE = tuple(_CASES)


def reference_case(shared: Path, name: str) -> tuple[dict[str, Any], LmmData, dict[str, pd.Index]]:
    """R's case, its data as arrays, and the levels of each factor."""
    family = "lmm_large" if name.startswith("insteval") else "lmm"
    case = next(c for c in load_cases(shared, family) if c["id"] == name)
    d, _ = load_data(shared, case)
    response, X, groups = _CASES[name](d)
    data, levels = one_level_data(d[response].to_numpy(), X, groups)
    if name == "chem97_rs_ml":
        school = data.terms[0]
        slope = ReTerm(z=ArrayRows(X), codes=school.codes, n_levels=school.n_levels, factor=0)
        data = LmmData(y=data.y, X=data.X, terms=(slope, data.terms[1]))
    return case, data, levels
