"""`ranef(m, levels=...)`: rows of the whole, exact with either solver, and what it refuses."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlpool
from mlpool.errors import DataError, OptionError


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    rng, n = np.random.default_rng(0), 2_000
    d = pd.DataFrame(
        {"x": rng.normal(size=n), "u": rng.integers(0, 150, n), "i": rng.integers(0, 40, n)}
    )
    d["y"] = rng.normal(size=150)[d.u] + rng.normal(size=40)[d.i] + rng.normal(size=n)
    return d


MODELS = {
    "one factor": lambda: mlpool.lmer(
        "Reaction ~ Days + (Days || Subject)", mlpool.load_data("sleepstudy")
    ),
    "correlated residuals": lambda: mlpool.lmer(
        "Reaction ~ Days + (1 | Subject)",
        mlpool.load_data("sleepstudy"),
        correlation="ar1(Days | Subject)",
    ),
    "crossed": lambda: mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
    ),
    "generalised": lambda: mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mlpool.load_data("cbpp"),
        family="binomial",
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_asked_levels_are_rows_of_the_whole(kind):
    m = MODELS[kind]()
    whole = mlpool.ranef(m)
    for group, frame in whole.items():
        labels = list(frame.index[[3, 0]])
        asked = mlpool.ranef(m, levels={group: labels})
        assert list(asked) == [group]
        pd.testing.assert_frame_equal(asked[group], frame.loc[labels])
        pd.testing.assert_frame_equal(asked.sd[group], whole.sd[group].loc[labels])


def test_sds_of_asked_levels_do_not_come_from_probes(ratings):
    exact, found = (
        mlpool.lmer("y ~ x + (1 | u) + (1 | i)", ratings, control={"solver": s, "seed": 4})
        for s in ("cholesky", "iterative")
    )
    for group in ("u", "i"):
        whole = mlpool.ranef(exact).sd[group]
        asked = mlpool.ranef(found, levels={group: [7, "11", 7.0]}).sd[group]
        assert list(asked.index) == ["7", "11", "7"]
        # what is left is the Monte Carlo error of theta, below a hundredth of its standard error
        np.testing.assert_allclose(asked, whole.loc[["7", "11", "7"]], rtol=1e-4)


def test_scanned_rows_take_the_iterative_solver_too(ratings):
    pytest.importorskip("narwhals", minversion="2.0", reason="rows are scanned from narwhals 2.0")
    control = {"solver": "iterative", "seed": 2}
    rows = mlpool.lmer("y ~ x + (1 | u) + (1 | i)", ratings, control=control)
    scanned = mlpool.lmer(
        "y ~ x + (1 | u) + (1 | i)", mlpool.scan(pl.from_pandas(ratings).lazy()), control=control
    )
    np.testing.assert_allclose(scanned.theta, rows.theta, rtol=1e-6)
    np.testing.assert_allclose(scanned.fixef(), rows.fixef(), rtol=1e-6, atol=1e-8)
    assert scanned.fit.monte_carlo is not None
    levels = {"i": ["3"]}
    np.testing.assert_allclose(
        mlpool.ranef(scanned, levels=levels).sd["i"], mlpool.ranef(rows, levels=levels).sd["i"],
        rtol=1e-6,
    )  # fmt: skip


def test_mistakes_are_sentences(ratings):
    m = mlpool.lmer("y ~ x + (1 | u) + (1 | i)", ratings)
    with pytest.raises(KeyError, match="There is no grouping factor 'users'; this model has: u, i"):
        mlpool.ranef(m, levels={"users": [1]})
    with pytest.raises(DataError, match="The factor u has no level 150"):
        mlpool.ranef(m, levels={"u": [150]})
    with pytest.raises(OptionError, match=r"levels must be a dict such as \{'u'"):
        mlpool.ranef(m, levels=["u"])
