"""Small-sample df, tests and intervals do not depend on units, zeros or the order of factors."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import mlpool
from mlpool.inference.wald import f_upper_p, t_quantile, two_sided_p

#: A unit moves df by no more than where the search for theta stops.
UNIT_RTOL = 1e-5

FORMULAS = (
    "y ~ t + z + f + (1 | g)",
    "y ~ t + z + (t | g)",
    "y ~ f + t + (t | g) + (1 | h)",
    "y ~ t + f + (1 | g) + (z | h)",
)
SCALES = (1e-9, 1e-4, 30.0, 1e5, 1e9)


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    J, n = 25, 11
    g, t = np.repeat(np.arange(J), n), np.tile(np.arange(float(n)), J)
    h = rng.integers(0, 9, J * n)
    d = pd.DataFrame(
        {
            "g": g, "t": t, "h": h, "z": rng.normal(size=J * n),
            "f": np.array(list("abc"))[rng.integers(0, 3, J * n)],
        }
    )  # fmt: skip
    d["y"] = (
        3 + 0.3 * t + 2 * rng.normal(size=J)[g] + 0.4 * rng.normal(size=J)[g] * t
        + rng.normal(size=9)[h] + rng.normal(size=J * n)
    )  # fmt: skip
    return d[rng.random(J * n) < 0.8]


def _numbers(formula: str, d: pd.DataFrame, **options: object) -> np.ndarray:
    """Return F, df and p of terms, t and df of slopes, by both methods."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer(formula, d, **options)
    out = []
    for ddf in ("Satterthwaite", "Kenward-Roger"):
        table = mlpool.anova(m, ddf=ddf).to_pandas()
        out += [table[name].to_numpy(float) for name in ("F", "df_error", "p")]
    for method in ("satterthwaite", "kenward"):
        table = mlpool.model_parameters(m, ci_method=method, effects="fixed").to_pandas()
        out += [table[name].to_numpy(float)[1:] for name in ("t", "df_error", "p")]
    return np.concatenate(out)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_df_depends_on_a_unit(formula: str) -> None:
    d = _data()
    want = _numbers(formula, d)
    for column, scale in itertools.product(("y", "t", "z"), SCALES):
        if column in formula:
            got = _numbers(formula, d.assign(**{column: d[column] * scale}))
            np.testing.assert_allclose(got, want, rtol=UNIT_RTOL, err_msg=f"{column} * {scale:g}")
    for column in ("y", "t", "z"):
        got = _numbers(formula, d.assign(**{column: d[column] + 1000 * d[column].std()}))
        np.testing.assert_allclose(got, want, rtol=UNIT_RTOL, err_msg=f"{column} + 1000 SDs")


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_no_df_depends_on_the_unit_of_weights(scale: float) -> None:
    d = _data()
    d["w"] = np.random.default_rng(0).uniform(0.5, 2.0, len(d))
    want = _numbers(FORMULAS[1], d, weights="w")
    got = _numbers(FORMULAS[1], d.assign(w=d.w * scale), weights="w")
    np.testing.assert_allclose(got, want, rtol=UNIT_RTOL)


@pytest.mark.parametrize("k", [1e-6, 1.0, 12.0, 1e3, 1e6])
def test_sleepstudy_as_lmerTest_in_every_unit(k: float) -> None:
    """lmerTest 3.1-3: F 169.4013 on 161 df, p 6.41e-27; df of the intercept 22.8102."""
    d = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("y ~ Days + (1 | Subject)", d.assign(y=d.Reaction * k))
    row = mlpool.anova(m).to_pandas().iloc[0]
    assert [row.F, row.df_error] == pytest.approx([169.4013, 161.0], rel=1e-6)
    assert row.p == pytest.approx(6.41e-27, rel=1e-3)
    table = mlpool.model_parameters(m, ci_method="satterthwaite", effects="fixed").to_pandas()
    assert table["df_error"].to_numpy() == pytest.approx([22.8102, 161.0], rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_balanced_growth_has_exact_df_with_calendar_years(seed: int) -> None:
    """25 sites with their own slopes, the same years: J - 1 df, SE as with centred years."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame(
        {"site": np.repeat(np.arange(25), 11), "c": np.tile(np.arange(-10, 11, 2), 25)}
    )
    b = rng.normal(size=(25, 2)) * [2, 0.15]
    d["y"] = 10 + b[d.site, 0] + (0.1 + b[d.site, 1]) * d.c + rng.normal(size=len(d))
    d["year"] = d.c + 2010
    tables = {}
    for name in ("c", "year"):
        m = mlpool.lmer(f"y ~ {name} + ({name} | site)", d)
        for method in ("satterthwaite", "kenward"):
            table = mlpool.model_parameters(m, ci_method=method, ci_random=True).to_pandas()
            tables[name, method] = table
    for method in ("satterthwaite", "kenward"):
        here, there = tables["year", method], tables["c", method]
        assert here["df_error"].iloc[1] == pytest.approx(24.0, rel=1e-5)
        for column in ("SE", "CI_low", "CI_high", "p"):
            assert here[column].iloc[1] == pytest.approx(there[column].iloc[1], rel=1e-5)
        slope = here["Parameter"].str.contains("SD") & here["Parameter"].str.contains("year")
        twin = there["Parameter"].str.contains("SD") & there["Parameter"].str.contains("c")
        for column in ("CI_low", "CI_high"):
            assert here.loc[slope, column].iloc[0] == pytest.approx(
                there.loc[twin & (there["Coefficient"] < 1), column].iloc[0], rel=1e-4
            )


@pytest.mark.filterwarnings("ignore::mlpool.errors.ScalingWarning")
def test_raw_polynomials_keep_their_df() -> None:
    """lmerTest 3.1-3: F 1.90339 of 3 and 180.95 df for the raw, 180.64 for orthogonal columns."""
    i = np.arange(200)
    d = pd.DataFrame({"g": i % 20, "age": 20 + ((i * 37) % 101) * 0.45})
    trend = 0.00004 * (d["age"] - 45) ** 3
    d["y"] = np.round(
        ((i * 29) % 31) / 10 + ((d["g"] * 7) % 11) / 4 + trend + ((i * 13) % 7) / 5, 3
    )
    for raw, df in (("TRUE", 180.95237), ("FALSE", 180.64087)):
        m = mlpool.lmer(f"y ~ poly(age, 3, raw = {raw}) + (1 | g)", d)
        row = mlpool.anova(m).to_pandas().iloc[0]
        assert row["df"] == 3
        assert row["F"] == pytest.approx(1.90339, abs=1e-5)
        # R reads the axes of three columns whose variances span 1e11 off their covariance
        assert row["df_error"] == pytest.approx(df, rel=2e-3 if raw == "TRUE" else 1e-6)


# --- tails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1e12, 1e16, 1e20, 5.6e25, 1e300])
def test_f_and_t_end_in_chi_square_and_normal(df: float) -> None:
    for F, r in ((10.0, 1), (169.4, 1), (3.0, 4), (0.01, 2)):
        assert float(f_upper_p(F, r, df)) == pytest.approx(chi2.sf(F * r, r), rel=1e-6)
    assert float(two_sided_p(np.array(3.0), df)) == pytest.approx(0.0026997960632601866, rel=1e-9)
    assert float(t_quantile(0.975, df)) == pytest.approx(1.959963984540054, rel=1e-10)


def test_f_tail_as_r() -> None:
    """R 4.2: pf(F, r, df, lower.tail = FALSE)."""
    for F, r, df, p in (
        (10, 1, 1e4, 1.57008143906926e-03), (10, 1, 1e10, 1.56540226267775e-03),
        (169.4, 1, 1e12, 1.00049241437838e-38), (1, 3, 1e13, 3.91625176271133e-01),
        (700, 2, 1e15, 9.85967654859071e-305), (700, 2, 1e7, 1.03547856069488e-304),
    ):  # fmt: skip
        assert float(f_upper_p(F, r, df)) == pytest.approx(p, rel=1e-11)


# --- three factors ------------------------------------------------------------------------------

_TERMS = ("1", "x", "x |", "f |")


@pytest.mark.slow
@pytest.mark.parametrize("first", _TERMS)
@pytest.mark.parametrize("second", _TERMS)
def test_every_combination_of_three_terms_has_df(first: str, second: str) -> None:
    """Terms of other widths, of smaller and larger factors: all tables, the same in other units."""
    rng = np.random.default_rng(0)
    n = 240
    d = pd.DataFrame(
        {
            "x": rng.normal(size=n), "f": np.array(list("abc"))[rng.integers(0, 3, n)],
            "g": rng.integers(0, 20, n), "h": rng.integers(0, 12, n), "k": rng.integers(0, 7, n),
        }
    )  # fmt: skip
    d["y"] = (
        d.x + rng.normal(size=20)[d.g] + rng.normal(size=12)[d.h] * d.x + rng.normal(size=7)[d.k]
        + rng.normal(size=n)
    )  # fmt: skip
    for third in _TERMS:
        bars = " + ".join(
            f"({t} | {g})" for t, g in zip((first, second, third), "ghk", strict=True)
        ).replace("| |", "||")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mlpool.MlpoolWarning)
            m = mlpool.lmer(f"y ~ x + {bars}", d)
        ours = mlpool.anova(m).to_pandas()["df_error"].iloc[0]
        assert 1.0 < ours < n
        assert 1.0 < mlpool.anova(m, ddf="Kenward-Roger").to_pandas()["df_error"].iloc[0] < n
        assert len(mlpool.model_parameters(m, effects="random", ci_random=True).to_pandas()) >= 4
