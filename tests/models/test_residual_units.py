"""What units, shifts and ends of ranges may not decide about residual structures."""

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool

SLEEP = mlpool.load_data("sleepstudy")


def fitted(unit, kind):
    data = SLEEP.assign(time=SLEEP["Days"] * unit)
    return mlpool.gls("Reaction ~ Days", data, correlation=f"{kind}(time | Subject)")


@pytest.mark.parametrize("unit", [5e-3, 1e-4, 200.0, 1e6])
@pytest.mark.parametrize("kind", ["car1", "exp"])
def test_the_unit_of_time_decides_nothing(kind, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no end of a range is reported, no number overflows
        one, other = fitted(1.0, kind), fitted(unit, kind)
    assert other.loglik == pytest.approx(one.loglik, abs=1e-9)
    assert other.se.to_numpy() == pytest.approx(one.se.to_numpy(), rel=1e-8)
    there, here = other.correlation_parameters().iloc[0], one.correlation_parameters().iloc[0]
    if kind == "exp":
        assert there == pytest.approx(here * unit, rel=1e-7)
    else:  # 0.8^10000 is zero in floating point
        assert there == pytest.approx(here ** (1.0 / unit), rel=1e-6)


def test_intervals_of_a_range_move_with_the_unit():
    half = mlpool.model_parameters(fitted(2.0, "exp"), ci_random=True).data
    one = mlpool.model_parameters(fitted(1.0, "exp"), ci_random=True).data
    at = list(one["Parameter"]).index("range")
    assert half["CI_low"].iloc[at] == pytest.approx(2.0 * one["CI_low"].iloc[at], rel=1e-6)
    assert half["CI_high"].iloc[at] == pytest.approx(2.0 * one["CI_high"].iloc[at], rel=1e-6)


def test_a_perfect_alternation_has_an_answer():
    """Residuals that change their sign at every step: phi ends at -1, and effects exist."""
    rng = np.random.default_rng(1)
    place = SLEEP["Subject"].astype("category").cat.codes.to_numpy()
    size, level = rng.normal(size=18) * 10, rng.normal(size=18)
    y = np.where(SLEEP["Days"] % 2 == 0, 1.0, -1.0) * size[place] + level[place]
    with pytest.warns(mlpool.MlpoolWarning, match="end of its range"):
        m = mlpool.lmer(
            "y ~ 1 + (1 | Subject)", SLEEP.assign(y=y), correlation="ar1(Days | Subject)"
        )
    assert m.correlation_parameters()["phi"] == pytest.approx(-1.0)
    assert np.isfinite(m.ranef()["Subject"].to_numpy()).all()
    assert np.isfinite(m.residuals("normalized")).all()


def test_a_constant_beside_the_power_that_is_none_is_said():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.uniform(1, 9, 180), "z": rng.normal(size=180)})
    with pytest.warns(mlpool.MlpoolWarning, match=r"power\(x\), or no dispersion, says the same"):
        lost = mlpool.gls("z ~ 1", data, dispersion="~ constpower(x)")
    plain = mlpool.gls("z ~ 1", data, dispersion="~ power(x)")
    assert lost.loglik == pytest.approx(plain.loglik, abs=1e-5)


def test_a_sigma_that_is_no_number_is_said_and_shifts_decide_nothing_else():
    data = SLEEP.assign(year=SLEEP["Days"] + 2000.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = mlpool.gls("Reaction ~ Days", data, dispersion="~ year")
        near = mlpool.gls("Reaction ~ Days", data, dispersion="~ Days")
        with pytest.raises(mlpool.FitError, match="subtract the mean of the covariate"):
            mlpool.gls("Reaction ~ Days", data, dispersion="~ power(year)")
    assert far.loglik == pytest.approx(near.loglik, abs=1e-9)
    assert far.se.to_numpy() == pytest.approx(near.se.to_numpy(), rel=1e-8)


def test_standardizing_leaves_the_structure_its_times():
    for correlation in ("ar1(Days | Subject)", "corCAR1(form = ~ Days | Subject)"):
        m = mlpool.gls("Reaction ~ Days", SLEEP, correlation=correlation)
        z = mlpool.standardize(m)
        before, after = m.correlation_parameters(), z.correlation_parameters()
        assert after["phi"] == pytest.approx(before["phi"], rel=1e-7)
        ratio = SLEEP["Days"].std() / SLEEP["Reaction"].std()
        assert z.fixef()["Days"] == pytest.approx(m.fixef()["Days"] * ratio, rel=1e-9)


def test_nlmes_names_of_two_arguments():
    said = {"correlation": "corAR1(form = ~ Days | Subject)"}
    own = mlpool.gls("Reaction ~ Days", SLEEP, dispersion="~ exp(Days)", REML=False, **said)
    nlme = mlpool.gls(
        "Reaction ~ Days", SLEEP, weights="varExp(form = ~ Days)", method="ML", **said
    )
    assert nlme.loglik == own.loglik
    with pytest.raises(mlpool.OptionError, match="not both"):
        mlpool.gls("Reaction ~ Days", SLEEP, weights="~ Days", dispersion="~ Days")
    with pytest.raises(mlpool.OptionError, match="not both"):
        mlpool.gls("Reaction ~ Days", SLEEP, method="ML", REML=True)
    with pytest.raises(mlpool.OptionError, match="variance structure such as"):
        mlpool.gls("Reaction ~ Days", SLEEP, weights="Days")


def test_predictions_of_the_population():
    """With compound symmetry, `gls` is a random intercept: twins at the level of the population."""
    cs = mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")
    ri = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    grid = {"by": "Days = [0, 5]", "ci_method": "satterthwaite"}
    one = mlpool.estimate_relation(cs, **grid).data
    other = mlpool.estimate_relation(ri, **grid).data
    for column in ("Predicted", "SE", "CI_low"):
        assert one[column].to_numpy() == pytest.approx(other[column].to_numpy(), rel=1e-6)
    serial = mlpool.lmer(
        "Reaction ~ Days + (1 | Subject)", SLEEP, correlation="ar1(Days | Subject)"
    )
    own = mlpool.estimate_expectation(serial)
    assert "Random effects included: Subject" in str(own)
    assert own.data["Predicted"].to_numpy() == pytest.approx(serial.fitted.to_numpy(), rel=1e-12)
    with pytest.raises(mlpool.NotSupportedError, match="estimate_expectation"):
        mlpool.estimate_prediction(serial)
    population = mlpool.estimate_expectation(serial, include_random=False)
    assert "Population level" in str(population)
    assert np.ptp(population.data["Predicted"]) < np.ptp(own.data["Predicted"])


def test_residual_df_are_rows_less_coefficients():
    """nlme prints 180 total, 178 residual; easystats takes them with ``ci_method="wald"``, too."""
    serial = mlpool.gls("Reaction ~ Days", SLEEP, correlation="corAR1(form = ~ Days | Subject)")
    assert serial.df_residual == 178
    for method in ("wald", "residual"):
        table = mlpool.model_parameters(serial, ci_method=method).data
        assert set(table["df_error"].dropna()) == {178.0}
    mixed = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, correlation="ar1(Days | Subject)")
    assert mixed.df_residual == 180 - mixed.loglik_df


def test_terms_are_tested_by_f():
    cs = mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")
    ri = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    one, other = mlpool.drop1(cs).data, mlpool.drop1(ri).data
    for column in ("df", "df_error", "F", "p"):
        assert one[column].to_numpy() == pytest.approx(other[column].to_numpy(), rel=1e-5)
    table = mlpool.compare_parameters(cs=cs, ri=ri)
    assert "251.41" in str(table) and "cs" in str(table)
    assert cs.pvalues.to_numpy() == pytest.approx(ri.pvalues.to_numpy(), rel=1e-5)
