"""Residual structures as users meet them: spellings, laws, sentences, and what every verb says."""

from __future__ import annotations

import inspect
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import MlpoolError
from tests.conftest import FRAME_KINDS


def trial(seed=2, J=40):
    """A made trial: four visits with drop-out, two arms, unequal variances, shuffled rows."""
    rng = np.random.default_rng(seed)
    rows = [(j, v) for j in range(J) for v in range(1, 5) if v < 3 or rng.random() < 0.8]
    d = pd.DataFrame(rows, columns=["id", "visit"])
    d["arm"] = np.where(d.id % 2 == 0, "new", "old")
    d["sex"] = np.where(d.id % 3 == 0, "f", "m")
    d["x"] = rng.uniform(1.0, 3.0, len(d))
    d["week"] = d.visit * 2.5
    level = rng.normal(size=J)[d.id]
    noise = rng.normal(size=len(d)) * np.where(d.sex == "f", 1.0, 1.8)
    d["y"] = 5 + 0.4 * d.visit + (d.arm == "new") * 0.5 + level + noise
    return d.sample(frac=1, random_state=4).reset_index(drop=True)


D = trial()


@pytest.fixture(scope="module")
def model():
    return mlpool.lmer(
        "y ~ arm * visit + (1 | id)", D, correlation="ar1(visit | id)", dispersion="~ sex"
    )


@pytest.fixture(scope="module")
def plain():
    return mlpool.gls("y ~ arm * visit", D, correlation="cs(1 | id)")


# --- laws ----------------------------------------------------------------------


def test_without_structure_it_is_lm_and_lmer():
    gls, lm = mlpool.gls("y ~ arm + x", D), mlpool.lm("y ~ arm + x", D)
    np.testing.assert_allclose(gls.fixef(), lm.fixef(), rtol=1e-10)
    np.testing.assert_allclose(gls.se, lm.se, rtol=1e-9)
    assert mlpool.gls("y ~ arm + x", D, REML=False).loglik == pytest.approx(lm.loglik, rel=1e-12)
    with_bars = mlpool.lmer("y ~ arm + (visit | id)", D, dispersion="~ 1")
    lmer = mlpool.lmer("y ~ arm + (visit | id)", D)
    assert with_bars.loglik == pytest.approx(lmer.loglik, abs=1e-8)
    assert with_bars.loglik_df == lmer.loglik_df
    np.testing.assert_allclose(with_bars.se, lmer.se, rtol=1e-5)
    for own, other in zip(with_bars.varcorr().blocks, lmer.varcorr().blocks, strict=True):
        np.testing.assert_allclose(own.vcov, other.vcov, rtol=1e-4, atol=1e-6)


def test_compound_symmetry_is_a_random_intercept():
    cs = mlpool.gls("y ~ arm * visit", D, correlation="cs(1 | id)")
    lmer = mlpool.lmer("y ~ arm * visit + (1 | id)", D)
    assert cs.loglik == pytest.approx(lmer.loglik, abs=1e-8)
    sd = float(lmer.varcorr().blocks[0].sd[0])
    total = sd**2 + lmer.sigma**2
    assert cs.sigma == pytest.approx(np.sqrt(total), rel=1e-5)
    assert float(cs.correlation_parameters()["rho"]) == pytest.approx(sd**2 / total, rel=1e-4)
    df = mlpool.model_parameters(lmer, effects="fixed", ci_method="satterthwaite").to_pandas()
    own = mlpool.model_parameters(cs, effects="fixed").to_pandas()
    np.testing.assert_allclose(own["df_error"], df["df_error"], rtol=1e-5)


SAME = [
    ("ar1(visit | id)", "corAR1(form = ~ visit | id)"),
    ("car1(week | id)", "corCAR1(form = ~ week | id)"),
    ("cs(1 | id)", "corCompSymm(form = ~ 1 | id)"),
    ("symm(visit | id)", "corSymm(form = ~ visit | id)"),
    ("exp(week | id)", "nlme::corExp(form=~week|id)"),
    ("arma11(visit | id)", "corARMA(form = ~ visit | id, p = 1, q = 1)"),
    ("ar2(visit | id)", "corARMA(~ visit | id, p = 2)"),
]


@pytest.mark.parametrize(("own", "nlme"), SAME)
def test_two_spellings_are_one_model(own, nlme):
    a = mlpool.gls("y ~ visit", D, correlation=own)
    b = mlpool.gls("y ~ visit", D, correlation=nlme)
    assert a.loglik == b.loglik
    assert a.loglik_df == b.loglik_df


SAME_DISPERSION = [
    ("~ sex", "varIdent(form = ~ 1 | sex)"),
    ("~ x", "varExp(form = ~ x)"),
    ("~ exp(x)", "varExp(form = ~ x)"),
    ("~ power(x)", "varPower(form = ~ x)"),
    ("~ sex * arm", "varIdent(form = ~ 1 | sex*arm)"),
    ("~ sex + power(x)", "varComb(varIdent(form = ~ 1 | sex), varPower(form = ~ x))"),
    ("~ constpower(x)", "varConstPower(form = ~ x)"),
]


@pytest.mark.parametrize(("own", "nlme"), SAME_DISPERSION)
def test_two_spellings_of_variances_are_one_model(own, nlme):
    a = mlpool.gls("y ~ visit", D, dispersion=own)
    b = mlpool.gls("y ~ visit", D, dispersion=nlme)
    assert a.loglik == b.loglik
    assert len(a.dispersion_parameters()) == a.loglik_df - 3


NESTED = [
    ("ar1(visit | id)", "toep(visit | id)", "symm(visit | id)", "us(visit | id)"),
    ("ar1(visit | id)", "ad(visit | id)", "adh(visit | id)", "us(visit | id)"),
    ("cs(1 | id)", "csh(visit | id)", "us(visit | id)"),
    ("ar1(visit | id)", "ar1h(visit | id)", "toeph(visit | id)", "us(visit | id)"),
]


@pytest.mark.parametrize("chain", NESTED)
def test_richer_structures_fit_no_worse(chain):
    models = {text: mlpool.gls("y ~ visit", D, correlation=text, REML=False) for text in chain}
    logliks = [m.loglik for m in models.values()]
    assert all(b >= a - 1e-7 for a, b in pairwise(logliks))
    table = mlpool.anova(models).to_pandas()
    assert table["p"].notna().sum() == len(chain) - 1
    assert table["npar"].tolist() == sorted(m.loglik_df for m in models.values())


def test_models_that_are_not_nested_get_no_test():
    a = mlpool.gls("y ~ visit", D, correlation="cs(1 | id)", REML=False)
    b = mlpool.gls("y ~ visit", D, correlation="arma11(visit | id)", REML=False)
    assert mlpool.anova(a, b).to_pandas()["p"].isna().all()


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_any_frame(kind, model):
    m = mlpool.lmer(
        "y ~ arm * visit + (1 | id)", FRAME_KINDS[kind](D), correlation="ar1(visit | id)",
        dispersion="~ sex",
    )  # fmt: skip
    assert m.loglik == pytest.approx(model.loglik, rel=1e-10)


def test_row_order_and_units_do_not_matter(model):
    moved = D.sample(frac=1, random_state=9).assign(y=lambda d: 1000 + 0.01 * d.y)
    moved["visit"] = moved.visit + 7
    m = mlpool.lmer(
        "y ~ arm * visit + (1 | id)", moved, correlation="ar1(visit | id)", dispersion="~ sex"
    )
    assert m.sigma == pytest.approx(0.01 * model.sigma, rel=1e-6)
    np.testing.assert_allclose(
        m.correlation_parameters(), model.correlation_parameters(), rtol=1e-5
    )
    assert float(m.fixef()["visit"]) == pytest.approx(
        0.01 * float(model.fixef()["visit"]), rel=1e-6
    )
    own = m.residuals("normalized").sort_index()
    other = model.residuals("normalized").sort_index()
    assert float((own**2).sum()) == pytest.approx(float((other**2).sum()), rel=1e-6)


def test_missing_responses_are_left_out():
    gaps = D.assign(y=D.y.where(D.index % 7 != 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MissingDataWarning)
        m = mlpool.mmrm("y ~ arm * visit + us(visit | id)", gaps)
    again = mlpool.mmrm("y ~ arm * visit + us(visit | id)", gaps.dropna())
    assert m.loglik == pytest.approx(again.loglik, rel=1e-12)
    assert m.nobs == again.nobs


def test_lme_is_lmer():
    m = mlpool.lme("y ~ visit", D, random="~ visit | id")
    assert m.loglik == mlpool.lmer("y ~ visit + (visit | id)", D).loglik
    ml = mlpool.lme("y ~ visit", D, random="~ 1 | id", weights="varIdent(form = ~ 1 | sex)",
                    method="ML")  # fmt: skip
    other = mlpool.lmer("y ~ visit + (1 | id)", D, REML=False, dispersion="~ sex")
    assert ml.loglik == other.loglik


def test_predictions_and_effects(model):
    np.testing.assert_allclose(model.predict(), model.fitted, rtol=1e-12)
    np.testing.assert_allclose(model.predict(D), model.fitted, rtol=1e-9)
    fixed = model.predict(D, re_form=False)
    X = mlpool.model_matrix("~ arm * visit", D)
    np.testing.assert_allclose(fixed, X.to_numpy() @ model.fixef().to_numpy(), rtol=1e-9)
    effects = mlpool.ranef(model)["id"]
    assert (effects.shape, list(effects.columns)) == ((40, 1), ["(Intercept)"])
    per_group = mlpool.coef(model)["id"]["(Intercept)"] - effects["(Intercept)"]
    np.testing.assert_allclose(per_group, float(model.fixef()["(Intercept)"]), rtol=1e-10)


def test_update_keeps_the_structure(model):
    smaller = mlpool.update(model, ". ~ . - arm:visit")
    assert smaller.loglik_df == model.loglik_df - 1
    assert smaller.structure == model.structure
    free = mlpool.update(model, correlation=None, dispersion=None)
    assert free.kind == "lmer"


def test_pickles(model):
    again = pickle.loads(pickle.dumps(model))
    assert again.loglik == model.loglik
    np.testing.assert_array_equal(again.fitted, model.fitted)
    assert str(again.summary()) == str(model.summary())


def test_marginal_means_use_the_models_df(plain):
    table = mlpool.emmeans(plain, "~ arm").to_pandas()
    L = np.array([[1.0, 0.0, D.visit.mean(), 0.0], [1.0, 1.0, D.visit.mean(), D.visit.mean()]])
    np.testing.assert_allclose(table["Mean"], L @ plain.fixef().to_numpy(), rtol=1e-8)
    V = L @ plain.vcov().to_numpy() @ L.T
    np.testing.assert_allclose(table["SE"], np.sqrt(np.diag(V)), rtol=1e-8)
    assert np.all(table["df"] < plain.nobs)


def test_printed_texts_name_the_structure(model):
    text = str(model.summary())
    for part in ("Correlation: ar1(visit | id)", "Dispersion: ~ sex", "phi", "Satterthwaite"):
        assert part in text
    assert "Correlation of residuals" in repr(model)
    table = str(mlpool.model_parameters(model))
    for part in ("# Residual Correlation", "# Residual Dispersion", "SD ratio (", "SD (Residual)"):
        assert part in table


def test_a_correlation_at_the_end_of_its_range_is_said():
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.repeat(range(30), 6), "t": np.tile(np.arange(6.0), 30)})
    d["y"] = np.tile([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], 30) + 0.3 * rng.normal(size=180)
    with pytest.warns(mlpool.SingularFitWarning, match="end of its range"):
        m = mlpool.gls("y ~ 1", d, correlation="car1(t | g)")
    assert float(m.correlation_parameters()["phi"]) < 1e-5
    plain = mlpool.gls("y ~ 1", d)
    assert m.loglik == pytest.approx(plain.loglik, abs=1e-3)


# --- bad input ----------------------------------------------------------------------

DUPLICATED = D.assign(visit=np.where(D.visit == 4, 3, D.visit))
WIDE = pd.DataFrame({"id": np.repeat(range(5), 40), "visit": np.tile(range(40), 5),
                     "y": np.random.default_rng(1).normal(size=200)})  # fmt: skip
NEVER = D[~((D.visit == 4) & (D.id < 20)) & ~((D.visit == 3) & (D.id >= 20))]

BAD = {
    "duplicate times": (DUPLICATED, {"correlation": "ar1(visit | id)"}, "two rows at the same"),
    "cs beside an intercept": (D, {"correlation": "cs(1 | id)", "bars": "(1 | id)"}, "the same"),
    "us beside random effects": (D, {"correlation": "us(visit | id)", "bars": "(1 | id)"},
                                 "leaves nothing for random effects"),
    "a stratum of one row": (D.assign(sex=np.where(D.index == 0, "z", D.sex)),
                             {"dispersion": "~ sex"}, "has one row"),
    "one stratum": (D.assign(sex="m"), {"dispersion": "~ sex"}, "one level only"),
    "times as text": (D.assign(visit="v" + D.visit.astype(str)),
                      {"correlation": "ar1(visit | id)"}, "is text"),
    "dates": (D.assign(visit=pd.to_datetime("2020-01-01") + pd.to_timedelta(D.visit, "D")),
              {"correlation": "car1(visit | id)"}, "holds dates"),
    "40 visits": (WIDE, {"correlation": "us(visit | id)"}, "820 parameters for 5 groups"),
    "visits never together": (NEVER, {"correlation": "us(visit | id)"},
                              "no group has rows at both"),
    "missing times": (D.assign(week=D.week.where(D.index > 3)),
                      {"correlation": "car1(week | id)"}, "missing in 4"),
    "missing strata": (D.assign(sex=D.sex.where(D.index > 1)), {"dispersion": "~ sex"},
                       "missing in 2"),
    "negative covariate": (D.assign(x=-D.x), {"dispersion": "~ power(x)"}, "positive values"),
    "zero covariate": (D.assign(x=D.x * (D.index > 0)), {"dispersion": "~ power(x)"},
                       "positive values"),
    "fractions of steps": (D, {"correlation": "ar1(week | id)"}, "use car1"),
    "unknown structure": (D, {"correlation": "ar3(visit | id)"}, "There is no correlation"),
    "unknown of nlme": (D, {"correlation": "corGaus(form = ~ visit | id)"}, "is not fitted here"),
    "no group": (D, {"correlation": "ar1(visit)"}, "within which groups"),
    "unknown column": (D, {"correlation": "ar1(visti | id)"}, "visit"),
    "an expression": (D, {"correlation": "ar1(log(visit) | id)"}, "name of a column"),
    "starting value": (D, {"correlation": "corAR1(0.3, form = ~ visit | id)"}, "leave '0.3' out"),
    "fixed": (D, {"correlation": "corAR1(form = ~ visit | id, fixed = TRUE)"}, "leave fixed out"),
    "ARMA": (D, {"correlation": "corARMA(form = ~ visit | id, p = 2, q = 1)"}, "not fitted here"),
    "power of residuals": (D, {"dispersion": "varPower(form = ~ resid(.))"}, "of residuals"),
    "unknown variance": (D, {"dispersion": "varFixed(~ x)"}, "varIdent"),
    "no formula": (D, {"dispersion": "sex"}, "must read like"),
    "the same twice": (D, {"dispersion": "~ sex + sex"}, "say the same twice"),
    "a number": (D, {"correlation": 3}, "must be text"),
    "groups of one row": (D.assign(id=range(len(D))), {"correlation": "ar1(visit | id)"},
                          "has one row"),
    "weights": (D, {"dispersion": "~ sex", "bars": "(1 | id)", "weights": "x"}, "dispersion="),
    "cluster": (D, {"dispersion": "~ sex", "bars": "(1 | id)", "cluster": "id"},
                "once it is fitted"),
    "engine": (D, {"dispersion": "~ sex", "bars": "(1 | id)", "engine": "statsmodels"},
               "statsmodels"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence(case):
    data, given, match = BAD[case]
    given = dict(given)
    bars = given.pop("bars", None)
    with pytest.raises(MlpoolError, match=match) as caught:
        if bars:
            mlpool.lmer(f"y ~ visit + {bars}", data, **given)
        else:
            mlpool.gls("y ~ visit" if case != "times as text" else "y ~ x", data, **given)
    assert str(caught.value).count("\n") <= 2


def test_misplaced_verbs_say_where_to_go():
    with pytest.raises(mlpool.OptionError, match="use lmer"):
        mlpool.gls("y ~ visit + (1 | id)", D, correlation="ar1(visit | id)")
    with pytest.raises(mlpool.FormulaError, match=r"us\(visit \| id\)"):
        mlpool.mmrm("y ~ visit", D)
    with pytest.raises(mlpool.OptionError, match="correlation"):
        mlpool.glm("y ~ x", D, correlation="ar1(visit | id)")
    with pytest.raises(mlpool.OptionError, match="text such as '~ 1"):
        mlpool.lme("y ~ visit", D, random=3)
    with pytest.raises(mlpool.NotSupportedError, match="normal responses"):
        mlpool.fit("y ~ x", D, family="poisson", dispersion="~ sex")


# --- every verb answers or says one sentence ------------------------------------------------------

NOT_OF_MODELS = {
    "r_spelling", "fit", "lm", "glm", "lmer", "glmer", "gls", "lme", "mmrm", "load_model",
    "formula", "p_adjust",
    "load_data", "datasets", "factor", "model_matrix", "demean", "degroup", "center", "standardize",
    "describe_distribution", "data_codebook", "table_one", "shrinkage", "pooling_estimate",
    "precision_weighted_mean", "design_effect", "deft", "effective_n", "equivalent_n",
    "variance_ratio", "se_pooling", "simulate_clusters", "simulate_reversal",
    "simple_random_sample", "two_stage_sample", "sampling_study", "coverage_study",
    "type_one_error_study", "design_effect_study", "theme_mlpool", "compare_pooling",
}  # fmt: skip
MORE = {
    "emmeans": ("~ arm",), "pairs": ("~ arm",), "emtrends": ("arm", "visit"),
    "linear_hypothesis": ("visit = 0",), "refit": (D.y,), "getME": ("X",), "wald_test": ("visit",),
    "test_likelihoodratio": (mlpool.lm("y ~ visit", D),), "compare_performance": (),
    "simulate_power": (0.5,), "estimate_means": ("arm",), "estimate_contrasts": ("arm",),
    "estimate_slopes": ("visit",),
}  # fmt: skip
VERBS = sorted(
    name for name in mlpool.__all__
    if inspect.isfunction(getattr(mlpool, name)) and name not in NOT_OF_MODELS
)  # fmt: skip


@pytest.mark.parametrize("which", ["model", "plain"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_or_says_one_sentence(verb, which, request):
    m = request.getfixturevalue(which)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = getattr(mlpool, verb)(m, *MORE.get(verb, ()))
        except MlpoolError as error:
            assert str(error).count("\n") <= 2
            assert str(error).rstrip().endswith(".")
        else:
            assert answer is not None
            assert str(answer)


METHODS = ["simulate", "refit", "standardized", "confint", "plot", "save", "tidy"]


@pytest.mark.parametrize("method", METHODS)
def test_methods_say_one_sentence(method, model, tmp_path):
    given = {"refit": (D.y,), "save": (tmp_path / "m.mlpool",)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = getattr(model, method)(*given.get(method, ()))
        except MlpoolError as error:
            assert str(error).rstrip().endswith(".")
        else:
            assert answer is not None


FITTED = {
    # (correlation, dispersion, REML): logLik, delta, sigma, by r/fitted_variances.R (nlme 3.1-162)
    (None, "varPower()", True): (-241.7331433066, 0.2842442454, 0.9145810683),
    (None, "~ exp(fitted(.))", True): (-241.7409197839, 0.01070006631, 1.744559974),
    ("cs(1 | Subject)", "~ power(fitted(.))", False): (-213.3809462524, 1.100329543, 0.0674191825),
}


@pytest.mark.parametrize("how", FITTED)
def test_variances_by_fitted_values_are_nlmes_fixed_point(how):
    correlation, dispersion, reml = how
    loglik, delta, sigma = FITTED[how]
    growth = mlpool.load_data("Orthodont")
    m = mlpool.gls("distance ~ age * Sex", growth, correlation, dispersion, reml)
    # nlme's loop ends where its likelihood changes by 1e-6; ours at a share of 1e-8 of an SD
    assert m.loglik == pytest.approx(loglik, abs=2e-5)
    assert m.dispersion_parameters().iloc[0] == pytest.approx(delta, rel=2e-4)
    assert m.sigma == pytest.approx(sigma, rel=5e-4)
    own = m.fitted.to_numpy()
    ratio = own ** m.dispersion_parameters().iloc[0]
    if "exp" in dispersion:
        ratio = np.exp(own * m.dispersion_parameters().iloc[0])
    np.testing.assert_allclose(m.residuals("pearson"), m.residuals() / (m.sigma * ratio), rtol=1e-6)


def test_fitted_values_of_a_mean_have_no_power():
    growth = mlpool.load_data("Orthodont")
    with pytest.raises(mlpool.DataError, match="all the same"):
        mlpool.gls("distance ~ 1", growth, dispersion="varPower()")
    with pytest.raises(mlpool.NotSupportedError, match=r"fitted\(\.\)"):
        mlpool.gls("distance ~ age", growth, dispersion="varPower(form = ~ resid(.))")
    with pytest.raises(mlpool.NotSupportedError, match="per stratum"):
        mlpool.gls("distance ~ age", growth, dispersion="varPower(form = ~ fitted(.) | Sex)")


def test_units_change_nothing_where_variances_follow_the_fit():
    growth = mlpool.load_data("Orthodont")
    formula = "distance ~ age * Sex + (1 | Subject)"
    m = mlpool.lmer(formula, growth, dispersion="~ power(fitted(.))")
    other = growth.assign(distance=25.4 * growth["distance"]).sample(frac=1.0, random_state=1)
    again = mlpool.lmer(formula, other, dispersion="~ power(fitted(.))")
    np.testing.assert_allclose(again.fixef(), 25.4 * m.fixef(), rtol=1e-6)
    np.testing.assert_allclose(again.dispersion_parameters(), m.dispersion_parameters(), rtol=1e-5)


def test_a_time_twice_is_found_wherever_it_stands():
    """Whole times are counted, others sorted: both see one row too many."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"id": np.repeat(np.arange(50), 4), "t": np.tile(np.arange(4.0), 50)})
    data["y"] = np.repeat(rng.normal(size=50), 4) + rng.normal(size=200)
    for unit in (1.0, 0.5):
        own = data.assign(t=unit * data["t"] - 2.0)
        mlpool.gls("y ~ 1", own, correlation="car1(t | id)")
        own.loc[137, "t"] = own.loc[136, "t"]
        with pytest.raises(mlpool.DataError, match="the group '34' of id has two rows"):
            mlpool.gls("y ~ 1", own.sample(frac=1.0, random_state=3), correlation="car1(t | id)")
