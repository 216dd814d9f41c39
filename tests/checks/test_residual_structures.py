"""Checks of models with a residual structure: of rows that are freed of it."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool
from mlpool.engine.residual.rows import covariance_at
from mlpool.engine.residual.whitening import whitened, whitened_data
from mlpool.plots.model_checks.check_model import check_model
from mlpool.uncertainty.influence import leverages, smoother_of

SLEEP = mlpool.load_data("sleepstudy")
DOSED = SLEEP.assign(z=np.where(SLEEP["Subject"].astype(int) % 2 == 0, "a", "b"))
GAPS = SLEEP.drop(index=[3, 4, 17, 28, 55, 81, 100, 177]).sample(frac=1.0, random_state=1)


@pytest.fixture(scope="module")
def serial():
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", GAPS, correlation="ar1(Days | Subject)")


def test_whitened_rows_have_the_covariance_of_independent_ones(serial):
    """L^-1 V_e L^-T = I, for gaps and rows in any order; and Z b of the whole is kept."""
    data, fit = serial.residual_design().data, serial.fit
    effects = whitened_data(data, fit).terms[0].z.rows(0, data.n) * np.sqrt(
        float(serial.varcorr()["Subject"].vcov[0, 0])
    )
    for level in range(3):
        rows = np.flatnonzero(data.terms[0].codes == level)
        V = covariance_at(data, fit)(rows[None])[0]
        unit = np.zeros((data.n, len(rows)))
        unit[rows] = np.eye(len(rows))
        L_inverse = whitened(data, fit, unit)[rows]
        white = L_inverse @ V @ L_inverse.T
        own = effects[rows] / fit.sigma
        assert white - own @ own.T == pytest.approx(np.eye(len(rows)), abs=1e-10)


def test_leverages_are_those_of_dense_whitened_rows(serial):
    """H = X (X'V^-1 X)^-1 X'V^-1 + Z D Z'V^-1 (I - ...) written out, between whitened rows."""
    data, fit = serial.residual_design().data, serial.fit
    n, codes = data.n, data.terms[0].codes
    V = np.zeros((n, n))
    for level in np.unique(codes):
        rows = np.flatnonzero(codes == level)
        V[np.ix_(rows, rows)] = covariance_at(data, fit)(rows[None])[0]
    X = data.X.rows(0, n)
    inverse = np.linalg.inv(V)
    fixed = X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    ZDZ = float(serial.varcorr()["Subject"].vcov[0, 0]) * (codes[:, None] == codes[None, :])
    H = fixed + ZDZ @ inverse @ (np.eye(n) - fixed)
    L_inverse = whitened(data, fit, np.eye(n))
    expected = np.diag(L_inverse @ H @ np.linalg.inv(L_inverse))
    assert leverages(serial) == pytest.approx(expected, abs=1e-9)
    left = smoother_of(serial).residuals(L_inverse @ data.y[:, None] * fit.sigma)[:, 0]
    assert left / fit.sigma == pytest.approx(serial.residuals("normalized").to_numpy(), abs=1e-8)


def test_unequal_variances_are_weights():
    """gls with a variance per stratum checks like lm with weights 1 / variance."""
    m = mlpool.gls("Reaction ~ Days", DOSED, dispersion="~ z")
    w = (m.sigma / m.fit.scale) ** 2
    twin = mlpool.lm("Reaction ~ Days", DOSED, weights=w)
    assert leverages(m) == pytest.approx(leverages(twin), abs=1e-10)
    one, other = mlpool.check_outliers(m), mlpool.check_outliers(twin)
    assert one.distance.to_numpy() == pytest.approx(other.distance.to_numpy(), rel=1e-5)
    one, other = mlpool.check_normality(m), mlpool.check_normality(twin)
    assert one.statistic == pytest.approx(other.statistic, rel=1e-6)
    one, other = (mlpool.check_autocorrelation(x, nsim=50) for x in (m, twin))
    # lm's are plain residuals, these are normalized: the same kind of answer, not the same number
    assert bool(one) is bool(other)


def test_a_structure_that_says_nothing_changes_no_check():
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, dispersion="~ 1")
    twin = mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    for verb in (
        mlpool.check_normality, mlpool.check_heteroscedasticity, mlpool.check_autocorrelation,
    ):  # fmt: skip
        one, other = verb(m), verb(twin)
        assert one.statistic == pytest.approx(other.statistic, rel=1e-3)
        assert one.p_value == pytest.approx(other.p_value, rel=2e-2)
    assert mlpool.check_singularity(m).smallest == pytest.approx(
        mlpool.check_singularity(twin).smallest, rel=1e-4
    )
    one, other = mlpool.check_outliers(m), mlpool.check_outliers(twin)
    assert one.distance.to_numpy() == pytest.approx(other.distance.to_numpy(), rel=1e-3, abs=1e-6)
    assert mlpool.check_normality(m, effects="random").p_value == pytest.approx(
        mlpool.check_normality(twin, effects="random").p_value, rel=1e-2
    )


def test_serial_correlation_is_seen_where_no_structure_takes_it():
    plain = mlpool.gls("Reaction ~ Days", DOSED, dispersion="~ z")
    serial = mlpool.gls("Reaction ~ Days", DOSED, correlation="ar1(Days | Subject)")
    assert mlpool.check_autocorrelation(plain)
    assert not mlpool.check_autocorrelation(serial)


def test_the_panels_are_drawn_from_normalized_residuals(serial):
    checks = check_model(serial)
    assert set(checks.panels) >= {"pp_check", "linearity", "homogeneity", "influence", "qq", "reqq"}
    shown = checks["linearity"].data
    assert shown["y"].to_numpy() == pytest.approx(serial.residuals("normalized").to_numpy())
    gls = mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")
    assert "no random effects" in check_model(gls).skipped["reqq"]


@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")
def test_effects_of_rows_that_are_correlated_across_them_are_refused():
    d = SLEEP.assign(child=(SLEEP["Days"] > 4).astype(str))
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject:child)", d, correlation="ar1(Days | Subject)")
    with pytest.raises(mlpool.NotSupportedError, match="several levels of a random effect"):
        mlpool.check_outliers(m)
    assert mlpool.check_singularity(m) is not None
