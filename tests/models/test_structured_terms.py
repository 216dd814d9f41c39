"""Terms of ``cs()``, ``ar1()`` and ``diag()``: against glmmTMB, a dense twin, and themselves."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.structured.covariance_map import Structure
from mlpool.inference.small_sample.satterthwaite import satterthwaite, satterthwaite_df
from mlpool.inference.structured import structured_information
from tests.conftest import read_shared_csv

GAPS = [2, 3, 16, 17, 18, 19, 40, 76, 77, 99, 132, 133, 179]
"""Rows of sleepstudy that are left out."""
LOGLIK = 1e-7
"""Of log-likelihoods at two optima, which are flat there."""
SHARE = 2e-5
"""Of SDs, correlations and coefficients: glmmTMB's search ends at six digits."""


def _data(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = mlpool.load_data("sleepstudy" if name in ("sleep", "gaps") else name)
    if name == "gaps":
        frame = frame.drop(index=frame.index[GAPS])
    times = {"sleep": "Days", "gaps": "Days", "cake": "temp", "Orthodont": "age"}
    if name in times:
        frame["f"] = frame[times[name]].astype("category")
    return frame


# name: (data, formula, options, loglik, df, SDs of the structured term, its correlation, the first
# two coefficients); r: ../formula/r/covariance_structures.R (glmmTMB 1.1.5)
GLMMTMB = {
    "sleep_ar1": (
        "sleep", "Reaction ~ Days + ar1(0 + f | Subject)", {}, -867.09323397076, 5,
        [47.3404824], 0.88349936, [253.90743650, 10.44885536],
    ),
    "sleep_ar1_ml": (
        "sleep", "Reaction ~ Days + ar1(0 + f | Subject)", {"reml": False}, -871.53093278724, 5,
        [46.082871], 0.878912223, [253.84807686, 10.44885529],
    ),
    "gaps_ar1": (
        "gaps", "Reaction ~ Days + ar1(f + 0 | Subject)", {}, -808.03556327967, 5,
        [44.3602152], 0.868559267, [252.8142274, 10.8803624],
    ),
    "sleep_ar1_int": (
        "sleep", "Reaction ~ Days + ar1(0 + f | Subject) + (1 | Subject)", {},
        -867.00614947091, 6, [41.4344557], 0.8347107, [253.5698858, 10.4514825],
    ),
    "sleep_cs": (
        "sleep", "Reaction ~ Days + cs(0 + f | Subject)", {}, -871.86314050211, 14,
        [21.5049215, 25.1148024, 20.7871037, 33.3725163, 37.6291387, 48.0419488, 59.3529758,
         45.1935405, 56.6404070, 65.1372072], 0.831451771, [249.319655624, 9.593055092],
    ),
    "cake_cs": (
        "cake", "angle ~ recipe * f + cs(0 + recipe | replicate)", {}, -795.03025444572, 23,
        [5.11659121, 6.77594248, 7.27250103], 0.946847186, [29.1333333333, -2.2666666667],
    ),
    "cake_ar1_two": (
        "cake", "angle ~ recipe * f + ar1(0 + f | replicate) + (1 | recipe:replicate)", {},
        -797.64368294548, 22, [6.19180312], 0.997875545, [29.1333333333, -2.2666666667],
    ),
    "ortho_ar1": (
        "Orthodont", "distance ~ age * Sex + ar1(0 + f | Subject)", {}, -216.69483692244, 7,
        [1.87807769], 0.960663683, [16.3648432032, 0.7834846690],
    ),
    "ortho_cs": (
        "Orthodont", "distance ~ age * Sex + cs(0 + f | Subject)", {"reml": False},
        -213.24148095049, 10, [1.70738094, 1.46843067, 2.05673089, 1.75027947], 1.0,
        [16.2834882081, 0.7828596756],
    ),
    "cbpp_ar1": (
        "cbpp", "cbind(incidence, size - incidence) ~ period + ar1(0 + period | herd)",
        {"family": "binomial"}, -87.328242862344, 6, [0.915016797], 0.00460314593,
        [-1.502117765, -1.234117043],
    ),
    "cbpp_cs": (
        "cbpp", "cbind(incidence, size - incidence) ~ period + cs(0 + period | herd)",
        {"family": "binomial"}, -84.957877904871, 9,
        [0.952167901, 0.483296141, 1.64295151, 0.0], 0.14744473, [-1.507322106, -1.013657479],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GLMMTMB)
def test_against_glmmtmb(name: str) -> None:
    data, formula, options, loglik, df, sd, rho, beta = GLMMTMB[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.SingularFitWarning)
        m = mlpool.fit(formula, _data(data), **options)
    assert m.loglik == pytest.approx(loglik, abs=LOGLIK)
    assert m.loglik_df == df
    (block,) = (b for b in m.varcorr().blocks if b.structure is not None)
    np.testing.assert_allclose(block.sd[: len(sd)], sd, rtol=SHARE, atol=SHARE)
    # a correlation of 0.005 has no digits of its own
    assert block.rho == pytest.approx(rho, abs=SHARE)
    np.testing.assert_allclose(m.fixef().to_numpy()[:2], beta, rtol=SHARE)


POISSON = {
    "ar1(0 + f | patient)": (
        -626.21913357789, 7, [0.57516672], 0.667468137,
        [0.0980113752, 0.1219191192, 0.1384620827, 0.3239487661, 0.1895800941],
    ),
    "cs(0 + f | patient)": (
        -620.74735503342, 10, [0.570417461, 0.608251810, 0.704455635, 0.386223421], 0.646431554,
        [0.096763350, 0.117378975, 0.137590635, 0.326805296, 0.183861095],
    ),
    "ar1(0 + f | patient) + (1 | patient)": (
        -625.20509988173, 8, [0.396319265], 0.234800916,
        [0.102687399, 0.127965630, 0.144706317, 0.339512608, 0.198481636],
    ),
}  # fmt: skip
"""r: ../formula/r/covariance_structures.R: loglik, df, SDs, correlation, SEs of coefficients."""


@pytest.mark.parametrize("term", POISSON)
def test_poisson_against_glmmtmb(term: str, shared: Path) -> None:
    loglik, df, sd, rho, errors = POISSON[term]
    epilepsy = read_shared_csv(shared, "epilepsy.csv")
    epilepsy["f"] = epilepsy["visit"].astype("category")
    formula = f"seizures ~ log_baseline * treat + log_age + {term}"
    m = mlpool.glmer(formula, epilepsy, family="poisson")
    assert m.loglik == pytest.approx(loglik, abs=LOGLIK)
    assert m.loglik_df == df
    (block,) = (b for b in m.varcorr().blocks if b.structure is not None)
    np.testing.assert_allclose(block.sd[: len(sd)], sd, rtol=SHARE)
    assert block.rho == pytest.approx(rho, abs=SHARE)
    np.testing.assert_allclose(np.sort(m.se), np.sort(errors), rtol=SHARE)


# --- a dense twin -------------------------------------------------------------------------------


def _dense_covariance(m: Any, psi: np.ndarray) -> np.ndarray:
    """V at psi = (log SD, atanh rho [, log SD of the intercept], log sigma)."""
    V = np.exp(2 * psi[-1]) * np.eye(m.design.n)
    for random in m.design.random:
        Z, codes = random.z.dense(), random.codes
        k = Z.shape[1]
        lags = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
        at = 2 if k == 1 else 0
        S = np.exp(2 * psi[at]) * (np.ones((1, 1)) if k == 1 else np.tanh(psi[1]) ** lags)
        V += (codes[:, None] == codes) * (Z @ S @ Z.T)
    return V


def _dense_criterion(m: Any, psi: np.ndarray) -> float:
    """-2 restricted log-likelihood."""
    y, X = m.design.y, m.design.X.dense()
    inverse = np.linalg.inv(_dense_covariance(m, psi))
    V, n = _dense_covariance(m, psi), len(y)
    bread = X.T @ inverse @ X
    e = y - X @ np.linalg.solve(bread, X.T @ inverse @ y)
    value = np.linalg.slogdet(V)[1] + e @ inverse @ e + (n - X.shape[1]) * np.log(2 * np.pi)
    return float(value + np.linalg.slogdet(bread)[1])


def _psi(m: Any) -> np.ndarray:
    own = {b.structure is None: b for b in m.varcorr().blocks}
    first = [np.log(own[False].sd[0]), np.arctanh(own[False].rho)]
    return np.array([*first, *([np.log(own[True].sd[0])] if True in own else []), np.log(m.sigma)])


@pytest.mark.parametrize("extra", ["", " + (1 | Subject)"])
def test_likelihood_df_and_errors_are_those_of_the_dense_likelihood(extra: str) -> None:
    """Satterthwaite's df by differences of the dense Phi and Hessian."""
    m = mlpool.lmer(f"Reaction ~ Days + ar1(0 + f | Subject){extra}", _data("gaps"))
    psi = _psi(m)
    assert _dense_criterion(m, psi) == pytest.approx(-2 * m.loglik, rel=1e-12)
    k, h = len(psi), 1e-3
    step = h * np.eye(k)
    f = lambda p: _dense_criterion(m, p)  # noqa: E731 - one letter for the four corners below
    H = np.array([[(f(psi + a + b) - f(psi + a - b) - f(psi - a + b) + f(psi - a - b)) / (4 * h * h)
                   for a in step] for b in step])  # fmt: skip
    C = 2.0 * np.linalg.inv(H)
    g = np.array([(_dense_phi(m, psi + s) - _dense_phi(m, psi - s)) / (2 * h) for s in step])
    Phi = _dense_phi(m, psi)
    np.testing.assert_allclose(np.sqrt(np.diag(Phi)), m.se, rtol=1e-9)
    df = [2 * Phi[i, i] ** 2 / (g[:, i, i] @ C @ g[:, i, i]) for i in range(2)]
    table = mlpool.model_parameters(m, ci_method="satterthwaite").to_pandas()
    # differences of second order in steps of 1e-3
    np.testing.assert_allclose(table["df_error"][:2], df, rtol=1e-4)
    rows = mlpool.model_parameters(m, ci_random=True).to_pandas().set_index("Parameter")["SE"]
    sd = next(b.sd[0] for b in m.varcorr().blocks if b.structure is not None)
    assert rows["SD (f0)"] == pytest.approx(sd * np.sqrt(C[0, 0]), rel=1e-4)


def _dense_phi(m: Any, psi: np.ndarray) -> np.ndarray:
    X = m.design.X.dense()
    return np.linalg.inv(X.T @ np.linalg.solve(_dense_covariance(m, psi), X))


# --- the same model written differently ---------------------------------------------------------


def test_two_effects_of_cs_are_unstructured() -> None:
    """lme4's vignette on covariance structures has this pair; so have the df."""
    sleep = _data("sleep")
    cs = mlpool.lmer("Reaction ~ Days + cs(1 + Days | Subject)", sleep)
    us = mlpool.lmer("Reaction ~ Days + (1 + Days | Subject)", sleep)
    assert cs.loglik == pytest.approx(us.loglik, abs=1e-9)
    np.testing.assert_allclose(cs.theta, us.theta, rtol=1e-6)
    df = [
        mlpool.model_parameters(m, ci_method="satterthwaite").to_pandas()["df_error"][:2]
        for m in (cs, us)
    ]
    np.testing.assert_allclose(*df, rtol=1e-7)


def test_information_of_free_terms_is_the_usual_one() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", _data("gaps"))
    data = as_lmm_data(m.design)
    np.testing.assert_allclose(
        satterthwaite_df(structured_information(data, m.fit)), satterthwaite(data, m.fit), rtol=1e-7
    )


def test_compound_symmetry_is_two_nested_intercepts() -> None:
    cake = _data("cake")
    cs = mlpool.lmer("angle ~ recipe + cs(0 + recipe | replicate, hom = TRUE)", cake)
    nested = mlpool.lmer("angle ~ recipe + (1 | replicate) + (1 | recipe:replicate)", cake)
    assert cs.loglik == pytest.approx(nested.loglik, abs=1e-8)
    assert cs.loglik_df == nested.loglik_df
    between, within = (nested.varcorr()[g].sd[0] ** 2 for g in ("replicate", "recipe:replicate"))
    block = cs.varcorr()["replicate"]
    assert block.sd[0] ** 2 == pytest.approx(between + within, rel=1e-6)
    assert block.rho == pytest.approx(between / (between + within), rel=1e-6)
    np.testing.assert_allclose(cs.se, nested.se, rtol=1e-6)


def test_two_points_in_time_are_compound_symmetry() -> None:
    data = _data("sleep").assign(late=lambda d: d["Days"] > 4)
    logliks = [
        mlpool.lmer(f"Reaction ~ Days + {name}(0 + late | Subject, hom = TRUE)", data).loglik
        for name in ("ar1", "cs")
    ]
    assert logliks[0] == pytest.approx(logliks[1], abs=1e-8)


def test_perfect_autocorrelation_is_an_intercept_and_said() -> None:
    cake = _data("cake")
    with pytest.warns(mlpool.SingularFitWarning, match="correlation is"):
        m = mlpool.lmer("angle ~ recipe * f + ar1(0 + f | replicate)", cake)
    plain = mlpool.lmer("angle ~ recipe * f + (1 | replicate)", cake)
    assert m.varcorr()["replicate"].rho == pytest.approx(1.0, abs=1e-12)
    assert m.loglik == pytest.approx(plain.loglik, abs=1e-8)
    bounds = mlpool.model_parameters(m, ci_random=True).to_pandas().set_index("Parameter")
    assert np.isnan(bounds.loc["Cor (ar1)", "SE"])
    assert bounds.loc["SD (f175)", "SE"] > 0


def test_without_a_residual_it_is_a_residual_structure() -> None:
    """Where sigma ends at zero the term is ``gls``'s correlation, and that is said."""
    five = _data("gaps").query("Days < 5")
    with pytest.warns(mlpool.SingularFitWarning, match="residual variance is zero"):
        m = mlpool.lmer("Reaction ~ Days + ar1(0 + f | Subject)", five)
    g = mlpool.gls("Reaction ~ Days", five, correlation="ar1(Days | Subject)")
    # sigma^2 is 1e-8 of the variance there, not zero
    assert m.loglik == pytest.approx(g.loglik, abs=1e-6)
    tables = [
        mlpool.model_parameters(one, ci_method="satterthwaite", ci_random=True).to_pandas()
        for one in (m, g)
    ]
    for name in ("SE", "df_error", "CI_low"):
        np.testing.assert_allclose(*(t[name][:2] for t in tables), rtol=1e-3)
    own, other = (t.set_index("Parameter")["SE"] for t in tables)
    assert own["SD (f0)"] == pytest.approx(other["SD (Observations)"], rel=1e-3)
    assert np.isnan(own["SD (Observations)"])


# --- properties ---------------------------------------------------------------------------------


def _summary(m: Any) -> np.ndarray:
    cor = [b.rho for b in m.varcorr().blocks if b.structure is not None]
    return np.array([*m.fixef(), *m.se, *m.varcorr().sd, *cor])


@pytest.mark.parametrize("term", ["ar1(0 + f | Subject)", "cs(0 + f | Subject)"])
def test_units_order_and_labels_change_nothing(term: str) -> None:
    gaps = _data("gaps")
    formula = f"Reaction ~ Days + {term}"
    m = mlpool.lmer(formula, gaps)
    other = gaps.sample(frac=1.0, random_state=2)
    other["Reaction"] = 1e-6 * other["Reaction"]
    other["Subject"] = "s" + other["Subject"].astype(str).str[::-1]
    other["f"] = other["f"].cat.rename_categories(lambda day: f"visit {day}")
    again = mlpool.lmer(formula, other)
    scale = np.full(len(_summary(m)), 1e-6)
    scale[-1] = 1.0  # the correlation
    # two searches of one deviance, whose optima agree in half its digits
    np.testing.assert_allclose(_summary(again), scale * _summary(m), rtol=1e-6)
    assert again.varcorr().blocks[0].structure == m.varcorr().blocks[0].structure


def test_levels_are_the_points_in_time() -> None:
    """Their order counts; levels that do not occur leave no gap, as in glmmTMB and lme4."""
    gaps = _data("sleep").query("Days != 3")
    formula = "Reaction ~ Days + ar1(0 + f | Subject)"
    plain = mlpool.lmer(formula, gaps)
    back = gaps.assign(f=gaps["f"].cat.reorder_categories(list(gaps["f"].cat.categories)[::-1]))
    assert mlpool.lmer(formula, back).loglik == pytest.approx(plain.loglik, abs=1e-8)
    closed = gaps.assign(f=gaps["f"].cat.remove_unused_categories())
    assert mlpool.lmer(formula, closed).loglik == plain.loglik
    mixed = gaps.assign(f=closed["f"].cat.reorder_categories([0, 5, 1, 6, 2, 7, 4, 8, 9]))
    assert mlpool.lmer(formula, mixed).loglik < plain.loglik - 1.0


def test_answers_of_verbs(tmp_path: Path) -> None:
    sleep = _data("sleep")
    m = mlpool.lmer("Reaction ~ Days + ar1(0 + f | Subject)", sleep)
    assert str(m.varcorr()).splitlines()[1] == " Subject  f0   47.34    0.883 (ar1)"
    rows = mlpool.model_parameters(m).to_pandas()["Parameter"].tolist()
    assert rows[2:] == ["SD (f0)", "Cor (ar1)", "SD (Observations)"]
    assert mlpool.confint(m, oldNames=False).index.tolist()[:3] == [
        "sd_*|Subject", "cor_rho|Subject", "sigma",
    ]  # fmt: skip
    path = tmp_path / "model.mlpool"
    m.save(path)
    loaded = mlpool.load_model(path)
    pd.testing.assert_frame_equal(mlpool.confint(loaded), mlpool.confint(m))
    first = sleep.head(4)
    np.testing.assert_allclose(m.predict(first), m.fitted.head(4))
    np.testing.assert_allclose(
        loaded.predict(first, re_form=False), m.predict(first, re_form=False)
    )
    new = first.assign(Subject="new")
    np.testing.assert_allclose(m.predict(new, allow_new_levels=True), m.predict(new, re_form=False))
    table = mlpool.ranova(m)
    assert table["Term"].tolist() == ["<none>", "ar1(0 + f | Subject)"]
    assert table["df"].iloc[1] == 2
    assert "correlation of 0.88 between neighbours" in str(mlpool.report(m))
    start = mlpool.lmer(str(m.formula), sleep, control={"start": tuple(m.theta)})
    assert start.loglik == pytest.approx(m.loglik, abs=1e-9)
    assert mlpool.emtrends(m, "~ 1", var="Days").to_pandas()["df"].iloc[0] == pytest.approx(
        60.022, abs=1e-3
    )


def test_simulated_effects_have_the_structure() -> None:
    m = mlpool.lmer("Reaction ~ Days + ar1(0 + f | Subject)", _data("sleep"))
    drawn = (
        mlpool.simulate(m, 400, seed=3).to_numpy() - m.predict(re_form=False).to_numpy()[:, None]
    )
    pairs = drawn.reshape(18, 10, 400)
    sd, rho = m.varcorr()["Subject"].sd[0], m.varcorr()["Subject"].rho
    # 7,200 subjects: a mean product is off by about 2 % of the variance
    for lag in (1, 4):
        found = np.mean(pairs[:, :-lag] * pairs[:, lag:])
        assert found == pytest.approx(sd**2 * rho**lag, rel=0.06)


def test_robust_errors_of_glmer_use_the_scores_of_the_structure() -> None:
    """Two terms of cs() are unstructured: the sandwiches agree."""
    cbpp = _data("cbpp").assign(late=lambda d: d["period"].isin(["3", "4"]))
    fits = [
        mlpool.glmer(f"cbind(incidence, size - incidence) ~ late + {term}", cbpp, family="binomial")
        for term in ("cs(0 + late | herd)", "(0 + late | herd)")
    ]
    errors = [np.sqrt(np.diag(m.vcov("CR0", cluster="herd"))) for m in fits]
    np.testing.assert_allclose(*errors, rtol=1e-4)


# --- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "ar1(1 | Subject)": "is no point in time",
    "ar1(f | Subject)": r"write ar1\(0 \+ f \| Subject\)",
    "ar1(Days | Subject)": r"which 'Days' is not; write ar1\(0 \+ factor\(Days\) \| Subject\)",
    "ar1(0 + Days | Subject)": "needs a factor of times",
    "ar1(0 + text | Subject)": "'text' is text, whose order",
    "ar1(0 + date | Subject)": "needs a factor of times",
    "ar1(0 + f:late | Subject)": "needs one factor",
    "ar1(0 + f + late | Subject)": "needs one factor",
    "ar1(0 + one | Subject)": "nothing to correlate",
    "cs(0 + Days | Subject)": "nothing to correlate",
    "cs(1 | Subject)": r"\(1 \| Subject\) is the same model",
    "cs(Days | Subject, hom = TRUE)": "differ in unit",
    "diag(Days | Subject, hom = TRUE)": "differ in unit",
    "cs(0 + f | Subject, hom = 3)": "takes hom=TRUE",
    "us(Days | Subject, hom = TRUE)": "nothing more",
    "diag(0 + f | Subject)": "180 random effects for 180 rows",
    "ar1(0 + f | one)": "one level only",
}


@pytest.mark.parametrize("term", REFUSED)
def test_mistakes_are_said(term: str) -> None:
    data = _data("sleep").assign(late=lambda d: d["Days"] > 4, one="a")
    data["text"] = data["Days"].astype(str)
    data["date"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(data["Days"], unit="D")
    with pytest.raises((mlpool.DataError, mlpool.FormulaError), match=REFUSED[term]):
        mlpool.lmer(f"Reaction ~ Days + {term}", data)


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "statsmodels"},
        {"control": {"solver": "iterative"}},
        {"correlation": "ar1(Days | Subject)"},
    ],
)
def test_other_engines_refuse(options: dict[str, Any]) -> None:
    with pytest.raises(mlpool.NotSupportedError, match=r"ar1\(0 \+ f \| Subject\)"):
        mlpool.lmer("Reaction ~ Days + ar1(0 + f | Subject)", _data("sleep"), **options)


def test_text_is_refused_by_glmer_too() -> None:
    cbpp = _data("cbpp").assign(period=lambda d: "p" + d["period"].astype(str))
    formula = "cbind(incidence, size - incidence) ~ ar1(0 + period | herd)"
    with pytest.raises(mlpool.DataError, match="'period' is text, whose order"):
        mlpool.glmer(formula, cbpp, family="binomial")


def test_methods_that_are_not_there_are_said() -> None:
    m = mlpool.lmer("Reaction ~ Days + ar1(0 + f | Subject)", _data("sleep"))
    with pytest.raises(mlpool.NotSupportedError, match="ci_method='satterthwaite'"):
        mlpool.model_parameters(m, ci_method="kenward")
    with pytest.raises(mlpool.NotSupportedError, match="method='Wald'"):
        mlpool.confint(m, method="profile")


def test_unidentified_covariances_are_said() -> None:
    """One row per subject and day: an SD of days and the residual's are one number."""
    with pytest.warns(mlpool.ScalingWarning, match="nearly unidentified"):
        mlpool.lmer("Reaction ~ Days + cs(0 + f | Subject, hom = TRUE)", _data("sleep"))


@pytest.mark.parametrize("kind", ["cs", "ar1"])
@pytest.mark.parametrize("k", [2, 3, 6])
def test_roots_at_the_ends(kind: str, k: int) -> None:
    """Perfect correlations have a root, too, and its parameters are found again."""
    structure = Structure(kind, is_homogeneous=True)
    for end in (np.inf, -np.inf):
        psi = np.array([0.3, end])
        lam = structure.factor(psi, k)
        rho = 1.0 if end > 0 else structure.lowest(k)
        lags = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
        expected = rho**lags if kind == "ar1" else np.where(lags == 0, 1.0, rho)
        np.testing.assert_allclose(lam @ lam.T, np.exp(0.6) * expected, atol=1e-14)
        np.testing.assert_allclose(structure.psi(lam), psi)
