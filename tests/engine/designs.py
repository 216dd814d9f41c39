"""Small designs for the engine's tests: random ones for hypothesis and the course's real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from mlpool.engine.types import ArrayRows, LmmData, ReTerm

Columns = list[int]


def make_data(
    y: np.ndarray,
    X: np.ndarray,
    codes: np.ndarray,
    terms: tuple[Columns, ...],
    **options: np.ndarray | None,
) -> LmmData:
    """One grouping factor; each term takes columns of X."""
    n_levels = int(codes.max()) + 1
    return LmmData(
        y=y,
        X=ArrayRows(X),
        terms=tuple(
            ReTerm(z=ArrayRows(X[:, list(c)]), codes=codes, n_levels=n_levels, factor=0)
            for c in terms
        ),
        **options,
    )


def random_data(
    seed: int, terms: tuple[Columns, ...], *, weights: bool = False, n_levels: int = 7
) -> LmmData:
    """40 to 60 rows in unbalanced clusters; column 0 of X is the constant."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(40, 60))
    codes = np.concatenate([np.arange(n_levels), rng.integers(0, n_levels, n - n_levels)])
    rng.shuffle(codes)
    X = np.column_stack([np.ones(n), rng.normal(2, 1, n), rng.normal(size=n), rng.normal(size=n)])
    b = rng.normal(size=(n_levels, 4)) * 0.7
    y = 3 + X @ [0, 1, -0.5, 0.2] + np.einsum("ij,ij->i", X, b[codes]) + rng.normal(size=n)
    w = rng.uniform(0.3, 3, n) if weights else None
    offset = rng.normal(size=n) if weights else None
    return make_data(y, X, codes, terms, weights=w, offset=offset)


TERMS = {
    "intercept": ([0],),
    "slope only": ([1],),
    "intercept and slope": ([0, 1],),
    "independent": ([0], [1]),
    "three correlated": ([0, 1, 2],),
    "four correlated": ([0, 1, 2, 3],),
    "two blocks": ([0, 2], [1, 3]),
    "repeated column": ([0], [0, 1]),
}


def n_theta(terms: tuple[Columns, ...]) -> int:
    return sum(len(c) * (len(c) + 1) // 2 for c in terms)


@st.composite
def lmm_cases(draw: Callable[..., object]) -> tuple[LmmData, np.ndarray, bool]:
    """Data, a theta inside the bounds (zeros included) and REML or ML."""
    terms = draw(st.sampled_from(list(TERMS.values())))
    data = random_data(draw(st.integers(0, 10_000)), terms, weights=draw(st.booleans()))
    entry = st.one_of(st.just(0.0), st.floats(-1.5, 1.5).map(lambda v: round(v, 3)))
    theta = np.array(draw(st.lists(entry, min_size=n_theta(terms), max_size=n_theta(terms))))
    at = 0
    for columns in terms:
        for col in range(len(columns)):
            theta[at] = abs(theta[at])
            at += len(columns) - col
    return data, theta, draw(st.booleans())


def sleepstudy(shared) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "sleepstudy.csv")


def heck(shared) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "heck2011.csv", encoding="utf-8-sig")


def popular(shared) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "popular.csv").rename(columns={"female ": "female"})
