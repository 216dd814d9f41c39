"""Population averages of generalised mixed models: integrated over the random effects."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool


@pytest.fixture(scope="module")
def m():
    d = mlpool.load_data("cbpp")
    return mlpool.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", d, "binomial")


def test_averaged_means_equal_averaged_predictions(m):
    table = mlpool.estimate_means(m, by="period", predict="averaged")
    grid = {"period": ["1", "2", "3", "4"], "herd": ["1"] * 4, "size": [1] * 4}
    expected = m.predict(grid, type="response", averaged=True)
    np.testing.assert_allclose(table["Probability"], expected, rtol=1e-10)
    conditional = mlpool.estimate_means(m, by="period")
    assert (table["Probability"] > conditional["Probability"]).all()
    assert "averaged over the random effects" in str(table)


def test_averaged_errors_equal_numerical_differentiation(m):
    def ask():
        return np.asarray(mlpool.estimate_contrasts(m, "period", predict="averaged")["Difference"])

    beta = np.array(m.fit.beta)
    object.__setattr__(m.fit, "beta", beta.copy())
    columns = []
    for j in range(len(beta)):
        ends = []
        for sign in (1, -1):
            m.fit.beta[:] = beta
            m.fit.beta[j] += sign * 1e-5
            ends.append(ask())
        columns.append((ends[0] - ends[1]) / 2e-5)
    m.fit.beta[:] = beta
    J = np.column_stack(columns)
    expected = np.sqrt(np.einsum("ia,ab,ib->i", J, np.asarray(m.vcov()), J))
    table = mlpool.estimate_contrasts(m, "period", predict="averaged")
    np.testing.assert_allclose(table["SE"], expected, rtol=1e-6)


def test_averaged_slopes():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(40), 20)
    x = rng.normal(size=800)
    eta = 0.8 * x + 1.2 * rng.normal(size=40)[g]
    d = {"y": rng.binomial(1, 1 / (1 + np.exp(-eta))), "x": x, "g": g.astype(str)}
    m = mlpool.glmer("y ~ x + (1 | g)", d, "binomial")
    slope = mlpool.estimate_slopes(m, "x", by="x = [0]", predict="averaged")["Slope"].iloc[0]
    ends = [
        mlpool.estimate_means(m, by=f"x = [{v}]", predict="averaged")["Probability"].iloc[0]
        for v in (1e-4, -1e-4)
    ]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6)
    assert slope < mlpool.estimate_slopes(m, "x", by="x = [0]")["Slope"].iloc[0]
    with_slopes = mlpool.glmer("y ~ x + (0 + x | g)", d, "binomial")
    with pytest.raises(mlpool.NotSupportedError, match="x has a random slope"):
        mlpool.estimate_slopes(with_slopes, "x", predict="averaged")


def test_averages_that_there_are_not(m):
    ols = mlpool.lm("math ~ ses", mlpool.load_data("hsb82"))
    with pytest.raises(mlpool.OptionError, match="integrates over the random effects of a gen"):
        mlpool.estimate_means(ols, by="ses", predict="averaged")
    with pytest.raises(mlpool.OptionError, match="relations are of one group at a time"):
        mlpool.estimate_relation(m, by="period", predict="averaged")
