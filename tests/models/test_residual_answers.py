"""Intervals, drawn responses and criteria of models with a residual structure."""

import warnings

import numpy as np
import pytest

import mlpool
from mlpool.engine.residual.rows import covariance_at
from mlpool.models.extractors.parameter_names import record_values

SLEEP = mlpool.load_data("sleepstudy")


@pytest.fixture(scope="module")
def serial():
    return mlpool.lmer(
        "Reaction ~ Days + (1 | Subject)", SLEEP, correlation="ar1(Days | Subject)",
        dispersion="~ Days",
    )  # fmt: skip


@pytest.fixture(scope="module")
def cs():
    return mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")


@pytest.fixture(scope="module")
def intercept():
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)


def test_confint_is_the_tables_and_nlmes(serial, cs, intercept):
    """R 4.2.2: intervals(gls(Reaction ~ Days, sleepstudy, correlation =
    corCompSymm(form = ~ 1 | Subject))) has Rho in [0.3965, 0.7508]; nlme differentiates it by
    differences, which are off by up to 1e-3 of the width."""
    table = mlpool.model_parameters(serial, effects="random", ci_random=True).data
    found = mlpool.confint(serial, "theta_")
    assert found.to_numpy() == pytest.approx(table[["CI_low", "CI_high"]].to_numpy(), rel=1e-12)
    assert list(found.index)[-2:] == ["phi", "expon"]
    wald = mlpool.confint(intercept, "beta_", method="Wald")
    assert cs.confint("beta_").to_numpy() == pytest.approx(wald.to_numpy(), rel=1e-6)
    assert cs.confint("rho").iloc[0].to_numpy() == pytest.approx([0.3965, 0.7508], abs=1e-3)
    with pytest.raises(mlpool.OptionError, match="parm must name"):
        cs.confint("tau")
    robust = mlpool.confint(cs, "Days", vcov="CR0", cluster="Subject").iloc[0]
    half = 1.959963984540054 * float(np.sqrt(cs.vcov("CR0", cluster="Subject").iloc[1, 1]))
    assert robust.to_numpy() == pytest.approx(
        [cs.fixef()["Days"] - half, cs.fixef()["Days"] + half], rel=1e-9
    )


def test_drawn_responses_have_the_models_covariance(serial):
    draws = mlpool.simulate(serial, 1000, seed=1).to_numpy()
    rest = draws - mlpool.predict(serial, re_form=False).to_numpy()[:, None]
    V = covariance_at(serial.residual_design().data, serial.fit)(np.arange(10)[None])[0]
    found = rest[:10] @ rest[:10].T / draws.shape[1]
    # a covariance of n draws has an error of sqrt((V_ii V_jj + V_ij^2) / n)
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / draws.shape[1])
    assert float(np.abs((found - V) / error).max()) < 5.0
    with_effects = mlpool.simulate(serial, 500, seed=2, re_form=None).to_numpy()
    off = (with_effects.mean(axis=1) - serial.fitted.to_numpy()) / serial.fit.scale
    assert float(np.abs(off).max()) < 5.0 / np.sqrt(500.0)


def test_a_refit_of_drawn_responses_finds_the_parameters():
    m = mlpool.gls("Reaction ~ Days", SLEEP, correlation="ar1(Days | Subject)")
    assert mlpool.refit(m, SLEEP["Reaction"]).loglik == m.loglik
    drawn = mlpool.simulate(m, 12, seed=3)
    phi = [float(mlpool.refit(m, drawn[c]).fit.correlation[0]) for c in drawn]
    true = float(m.fit.correlation[0])
    # the estimate's spread is about 0.05; its mean of 12 is known to a third of that
    assert float(np.mean(phi)) == pytest.approx(true, abs=5 * float(np.std(phi)) / np.sqrt(12))


def test_criteria_and_explained_variance_are_those_of_the_twin(cs, intercept, serial):
    plain = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, dispersion="~ 1")
    for verb in (mlpool.r2, mlpool.icc):
        one, other = verb(plain).data, verb(intercept).data
        assert one.to_numpy() == pytest.approx(other.to_numpy(), rel=1e-5)
    for estimator in ("ML", "REML"):
        one = mlpool.model_performance(cs, estimator=estimator).data
        other = mlpool.model_performance(intercept, estimator=estimator).data
        assert float(one["AIC"].iloc[0]) == pytest.approx(float(other["AIC"].iloc[0]), abs=1e-6)
    table = mlpool.compare_performance(cs, intercept).data
    assert table["AIC"].iloc[0] == pytest.approx(table["AIC"].iloc[1], abs=1e-6)
    share = serial.varcorr()["Subject"].vcov[0, 0]
    expected = share / (share + float(np.mean(serial.fit.scale**2)))
    assert float(mlpool.icc(serial).data["ICC_adjusted"].iloc[0]) == pytest.approx(expected)
    with pytest.raises(mlpool.NotSupportedError, match="no agreed definition"):
        mlpool.r2(cs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "AIC" in str(mlpool.model_performance(cs))


def test_a_bootstrap_draws_responses_and_fits_again(serial):
    drawn = mlpool.bootstrap(serial, 3, seed=5, n_jobs=1)
    assert list(drawn.draws.columns) == [
        "sd_(Intercept)|Subject", "sigma", "phi", "expon", "(Intercept)", "Days",
    ]  # fmt: skip
    at = serial.refit(serial.design.y)
    assert drawn.estimate.to_numpy() == pytest.approx(record_values(serial, at.fit, at.sigma))
    # replicate i draws from the seed's i-th child, as simulate draws from a generator
    rng = np.random.default_rng(np.random.SeedSequence(5).spawn(1)[0])
    again = serial.refit(mlpool.simulate(serial, 1, rng).iloc[:, 0])
    expected = record_values(serial, again.fit, again.sigma)
    assert drawn.draws.iloc[0].to_numpy() == pytest.approx(expected, rel=1e-5)
    table = mlpool.model_parameters(serial, bootstrap=True, iterations=3, seed=5)
    assert table.data["Coefficient"].iloc[1] == pytest.approx(drawn.draws["Days"].median())
    for kind in ("case", "residual"):
        with pytest.raises(mlpool.NotSupportedError, match="cannot be exchanged"):
            mlpool.bootstrap(serial, 3, kind)


@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")
def test_models_are_tested_by_simulated_responses(serial):
    small = mlpool.update(serial, ". ~ 1 + (1 | Subject)")
    tests = mlpool.anova(small, serial, bootstrap=3, seed=1).data
    usual = mlpool.anova(small, serial).data
    assert tests["Chi2"].iloc[0] == pytest.approx(float(usual["Chi2"].iloc[1]), rel=1e-6)
    assert tests["p"].iloc[1] == 0.25  # (1 + 0) / (1 + 3): no response drawn is as extreme
    table = mlpool.test_likelihoodratio(small, serial).data
    assert list(table["Model"]) == ["gls", "gls"]
    assert table["p"].iloc[1] == pytest.approx(float(tests["p"].iloc[0]), rel=1e-6)


def test_errors_of_group_coefficients_are_those_of_the_twin(intercept):
    plain = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, dispersion="~ 1")
    one = mlpool.estimate_grouplevel(plain, type="total").data
    other = mlpool.estimate_grouplevel(intercept, type="total").data
    assert one["SE"].to_numpy() == pytest.approx(other["SE"].to_numpy(), rel=1e-5)
    one, other = (mlpool.estimate_expectation(m).data for m in (plain, intercept))
    assert one["SE"].to_numpy() == pytest.approx(other["SE"].to_numpy(), rel=1e-5)
