"""Cluster-robust standard errors and Kenward-Roger's method beside residual structures.

Numbers of clubSandwich 0.5.8 and nlme, R 4.2.2:

    library(nlme); library(clubSandwich)
    d <- lme4::sleepstudy; d$g <- ifelse(as.integer(as.character(d$Subject)) %% 2 == 0, "a", "b")
    d <- d[-c(3, 17, 44, 45, 90), ]
    m <- gls(Reaction ~ Days * g, d, correlation = corAR1(form = ~ Days | Subject),
             weights = varIdent(form = ~ 1 | g),
             control = glsControl(msTol = 1e-12, tolerance = 1e-12))
    for (k in c("CR0", "CR1", "CR2", "CR3")) {
      V <- vcovCR(m, cluster = d$Subject, type = k)
      print(sqrt(diag(V))); print(coef_test(m, vcov = V, test = "Satterthwaite")$df_Satt) }
    l <- lme(Reaction ~ Days * g, d, random = ~ 1 | Subject, weights = varIdent(form = ~ 1 | g),
             control = lmeControl(msTol = 1e-12, tolerance = 1e-12))
    for (k in c("CR0", "CR2", "CR3")) print(sqrt(diag(vcovCR(l, type = k))))
"""

import warnings

import numpy as np
import pytest

import mlpool

D = mlpool.load_data("sleepstudy").copy()
D["g"] = np.where(D["Subject"].astype(int) % 2 == 0, "a", "b")
D = D.drop(index=np.array([3, 17, 44, 45, 90]) - 1)

GLS = {
    "CR0": [9.1522460789861082, 2.2121949082720458, 12.662448171013823, 2.7199992043787393],
    "CR1": [9.4175835205331921, 2.2763297809687177, 13.029551674615382, 2.7988560908382238],
    "CR2": [9.6444150914807434, 2.322557349781218, 13.366261696888591, 2.8676175350085766],
    "CR3": [10.296408109931088, 2.4887284045090503, 14.245025616738392, 3.0541490321644731],
}
DF = {
    "CR0": [7.9999995609650849, 7.999999984324643, 13.757660515094278, 13.81871509417882],
    "CR2": [8.0004131842167361, 8.0004799756553718, 13.758453492939203, 13.820136198971655],
    "CR3": [7.9999993143640786, 7.9999999758414528, 13.757834626666678, 13.819986822264074],
}
LME = {
    "CR0": [9.5076340578257934, 1.8621589361034967, 12.914955891033436, 2.6273689300709457],
    "CR2": [10.089362063427847, 1.9747356826715474, 13.699063965236466, 2.7825732366926066],
    "CR3": [10.711739129210621, 2.0937422701196002, 14.528594844999779, 2.9473093791276233],
}


@pytest.fixture(scope="module")
def serial():
    return mlpool.gls("Reaction ~ Days * g", D, correlation="ar1(Days | Subject)", dispersion="~ g")


def quietly(m, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.FewClustersWarning)
        return mlpool.model_parameters(m, effects="fixed", **options).data


@pytest.mark.parametrize("kind", GLS)
def test_clubsandwich_of_gls(serial, kind):
    # R's optimum is 1e-8 off in phi
    assert quietly(serial, vcov=kind)["SE"].to_numpy() == pytest.approx(GLS[kind], rel=1e-7)
    if kind in DF:
        table = quietly(serial, vcov=kind, cluster="Subject", ci_method="satterthwaite")
        assert table["df_error"].to_numpy() == pytest.approx(DF[kind], rel=1e-6)


@pytest.mark.parametrize("kind", LME)
def test_clubsandwich_of_lme(kind):
    m = mlpool.lmer("Reaction ~ Days * g + (1 | Subject)", D, dispersion="~ g")
    assert quietly(m, vcov=kind)["SE"].to_numpy() == pytest.approx(LME[kind], rel=1e-7)


@pytest.mark.parametrize("kind", ["CR0", "CR1S", "CR2", "CR3"])
def test_compound_symmetry_is_the_random_intercept(kind):
    cs = mlpool.gls("Reaction ~ Days", D, correlation="cs(1 | Subject)")
    ri = mlpool.lmer("Reaction ~ Days + (1 | Subject)", D)
    one, other = quietly(cs, vcov=kind), quietly(ri, vcov=kind)
    assert one["SE"].to_numpy() == pytest.approx(other["SE"].to_numpy(), rel=1e-6)


def test_tests_of_robust_covariances(serial):
    table = mlpool.coef_test(serial, vcov="CR2", cluster="Subject").data
    assert table["df_error"].to_numpy() == pytest.approx(DF["CR2"], rel=1e-6)
    joint = mlpool.wald_test(serial, "Days:gb", vcov="CR2", cluster="Subject").data
    assert float(joint["df_denom"].iloc[0]) == pytest.approx(DF["CR2"][3], rel=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.FewClustersWarning)
        means = mlpool.estimate_means(serial, "g", vcov="CR2", cluster="Subject")
    assert np.isfinite(means.data["SE"]).all()


def test_clusters_that_cut_through_correlated_rows_are_said(serial):
    with pytest.raises(mlpool.NotSupportedError, match="cut through the correlated rows"):
        serial.vcov("CR2", cluster="Days")
    with pytest.raises(mlpool.NotSupportedError, match="takes one cluster variable"):
        serial.vcov("HC3")
    with pytest.raises(mlpool.NotSupportedError, match="once it is fitted"):
        mlpool.lmer("Reaction ~ Days + (1 | Subject)", D, dispersion="~ g", cluster="Subject")


# --- Kenward-Roger ---------------------------------------------------------------------------


def test_kenward_roger_of_a_structure_that_is_not_linear_says_so(serial):
    with pytest.warns(mlpool.MlpoolWarning, match="Kenward-Roger-Linear"):
        mlpool.model_parameters(serial, ci_method="kenward")
    ml = mlpool.gls("Reaction ~ Days", D, correlation="cs(1 | Subject)", REML=False)
    with pytest.raises(mlpool.OptionError, match="REML"):
        mlpool.model_parameters(ml, ci_method="kenward")


def test_kenward_roger_is_exact_where_t_is():
    """A balanced unstructured model: every mean is tested by a t with subjects - 1 df."""
    balanced = mlpool.load_data("Orthodont")
    m = mlpool.mmrm("distance ~ 0 + factor(age) + us(age | Subject)", balanced)
    table = mlpool.model_parameters(m, ci_method="kenward", effects="fixed").data
    assert table["df_error"].to_numpy() == pytest.approx(np.full(4, 26.0), rel=1e-6)
    assert table["SE"].to_numpy() == pytest.approx(m.se.to_numpy(), rel=1e-6)
    by_age = balanced.groupby("age")["distance"]
    assert table["SE"].to_numpy() == pytest.approx(by_age.sem().to_numpy(), rel=1e-7)
