"""One new row is predicted as that row of many, in every storage and by every kind of model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

RNG = np.random.default_rng(3)
N = 120
DATA = pd.DataFrame(
    {
        "x": RNG.uniform(1, 5, N).round(2),
        "k": RNG.integers(0, 4, N),
        "b": RNG.integers(0, 2, N) == 1,
        "f": RNG.choice(list("cab"), N),
        "g": np.repeat(np.arange(20), 6),
        "z": RNG.integers(0, 2, N),
        "c": RNG.poisson(2, N),
    }
)
DATA["y"] = DATA["x"] + RNG.normal(size=N) + RNG.normal(size=20)[DATA["g"]]

RIGHT = ["poly(x, 2) + f", "scale(x) * b", "factor(k)", "bs(x, df = 4)", "I(x > 2) + f:factor(k)",
         "C(f, contr.sum) + log(x)", "relevel(f, ref = 'c')", "as.character(k)"]  # fmt: skip
MODELS: dict[str, Callable[[str], Any]] = {
    "lm": lambda right: mlpool.lm(f"y ~ {right}", DATA),
    "glm": lambda right: mlpool.glm(f"z ~ {right}", DATA, family="binomial"),
    "lmer": lambda right: mlpool.lmer(f"y ~ {right} + (1 | g) + (1 | g:f)", DATA),
    "glmer": lambda right: mlpool.glmer(f"c ~ {right} + (1 | g)", DATA, family="poisson"),
}
STORED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d,
    "polars": pl.from_pandas,
    "arrow": lambda d: pa.Table.from_pandas(d, preserve_index=False),
    "records": lambda d: d.to_dict("records"),
    "small types": lambda d: d.assign(
        k=d["k"].astype("int8"), f=d["f"].astype("category"), x=d["x"].astype("Float64"),
        g=d["g"].astype("float32"), b=d["b"].astype("boolean"),
    ),
    "categories": lambda d: d.assign(
        f=pd.Categorical(d["f"], categories=list("zbac")), g=d["g"].astype("category"),
        k=d["k"].astype("uint8"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "right", [*RIGHT[:3], *(pytest.param(r, marks=pytest.mark.slow) for r in RIGHT[3:])]
)
def test_one_row_is_that_row_of_many(right: str, kind: str) -> None:
    m = MODELS[kind](right)
    want = np.asarray(m.predict())
    for name, store in STORED.items():
        many = np.asarray(m.predict(store(DATA)))
        np.testing.assert_allclose(many, want, rtol=1e-9, atol=1e-9, err_msg=name)
        for i in (0, 17, N - 1):
            one = np.asarray(m.predict(store(DATA.iloc[[i]])))
            np.testing.assert_allclose(one, want[[i]], rtol=1e-9, atol=1e-9, err_msg=name)
