"""Verbs on fitted models of scanned rows print what they print of rows in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import mlpool
from tests.sources.engines import make_rows

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")

Fits = Callable[..., Any]
"""A function that fits a formula, to rows in memory or to scanned ones."""

VERBS: dict[str, Callable[[Fits], Any]] = {
    "anova of two lmer": lambda f: mlpool.anova(f("y ~ x + (1 | g)"), f("y ~ x + z + (x | g)")),
    "anova without refits": lambda f: mlpool.anova(
        f("y ~ x + (1 | g)"), f("y ~ x + (x | g)"), refit=False
    ),
    "anova of two lm": lambda f: mlpool.anova(f("y ~ x"), f("y ~ x * z")),
    "anova of lm and lmer": lambda f: mlpool.anova(f("y ~ x"), f("y ~ x + (1 | g)")),
    "F test of two lmer": lambda f: mlpool.anova(
        f("y ~ z + (1 | g)"), f("y ~ w + z + (1 | g)"), ddf="Satterthwaite"
    ),
    "likelihood ratio": lambda f: mlpool.test_likelihoodratio(
        f("y ~ x + (1 | g)"), f("y ~ x + z + (1 | g)")
    ),
    "type I": lambda f: mlpool.anova(f("y ~ x * s + (1 | g)"), type=1),
    "type II": lambda f: mlpool.anova(f("y ~ x * s + (1 | g)"), type=2),
    "type III": lambda f: mlpool.anova(f("y ~ x * s + flag * s + (1 | g)"), type=3),
    "type III, polynomial": lambda f: mlpool.anova(f("y ~ poly(x, 2) * s + (1 | g)"), type=3),
    "update": lambda f: mlpool.update(f("y ~ x + (1 | g)"), ". ~ . + z").fixef().round(6),
    "update to ML": lambda f: round(mlpool.update(f("y ~ x + (1 | g)"), REML=False).loglik, 6),
    "drop1": lambda f: mlpool.drop1(f("y ~ x * z + s")),
    "ranova": lambda f: mlpool.ranova(f("y ~ x + z + (x | g)")),
    "ranova with gaps": lambda f: mlpool.ranova(f("y ~ z + s + (x | g)")),
    "confint": lambda f: mlpool.confint(f("y ~ x + (1 | g)")),
    "confint, crossed": lambda f: mlpool.confint(f("y ~ x + (1 | g) + (1 | z)", reml=False)),
    "confint of slopes": lambda f: mlpool.confint(f("y ~ z + (x | g)")),
    "confint of slopes, crossed": lambda f: mlpool.confint(
        f("y ~ z + (0 + x | g) + (1 | z)", weights="w")
    ),
    "compare_performance": lambda f: mlpool.compare_performance(
        f("y ~ x + (1 | g)"), f("y ~ x + z + (1 | g)")
    ),
    "anova of two glm": lambda f: mlpool.anova(
        f("flag ~ s", family="binomial"), f("flag ~ s + z", family="binomial")
    ),
    "update of glm": lambda f: mlpool.update(
        f("flag ~ s", family="binomial"), ". ~ . + z"
    ).fixef().round(8),
    "anova of two glmer": lambda f: mlpool.anova(
        f("flag ~ s + (1 | g)", family="binomial"), f("flag ~ s + z + (1 | g)", family="binomial")
    ),
    "drop1 of glmer": lambda f: mlpool.drop1(f("flag ~ z + (1 | g)", family="binomial")),
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


def fitting(data: Any) -> Fits:
    def fit(formula: str, **options: Any) -> Any:
        return mlpool.fit(formula, data, **options)

    return fit


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("verb", VERBS)
def test_it_prints_the_same(verb: str, rows: pd.DataFrame) -> None:
    scanned = mlpool.scan(pl.from_pandas(rows).lazy())
    found, want = (str(VERBS[verb](fitting(data))) for data in (scanned, rows))
    assert found == want


def test_models_that_do_not_compare(rows: pd.DataFrame) -> None:
    f = fitting(mlpool.scan(pl.from_pandas(rows).lazy()))
    other = fitting(mlpool.scan(pl.from_pandas(rows.assign(y=rows["y"] + 1.0)).lazy()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small, big = f("y ~ z + (1 | g)"), f("y ~ w + z + (1 | g)", weights="w")
        with pytest.raises(mlpool.DataError, match="different weights"):
            mlpool.anova(small, big)
        with pytest.raises(mlpool.DataError, match="different responses"):
            mlpool.anova(small, other("y ~ w + z + (1 | g)"))
        with pytest.raises(mlpool.DataError, match="different rows"):
            mlpool.anova(small, f("y ~ x + z + (1 | g)"))
        with pytest.raises(mlpool.MlpoolError, match="nested"):
            mlpool.test_likelihoodratio(f("y ~ z + (1 | g)"), f("y ~ w + I(z^2) + (1 | g)"))
        above = f("y ~ I(w > k) + (1 | g)", context={"k": 1.0})
        beyond = f("y ~ I(w > k) + z + (1 | g)", context={"k": 1.5})
        with pytest.raises(mlpool.MlpoolError, match="nested"):
            mlpool.test_likelihoodratio(above, beyond)


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
def test_refits_of_combinations_keep_to_their_rows(rows: pd.DataFrame) -> None:
    m = fitting(mlpool.scan(pl.from_pandas(rows).lazy()))(
        "flag ~ s + z + (1 | g)", family="binomial"
    )
    with pytest.raises(mlpool.NotSupportedError, match="leave these out by subset="):
        mlpool.drop1(m)
