"""Autocorrelations and variograms of residuals; numbers of r/serial.R."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool

SLEEP = mlpool.load_data("sleepstudy")
ACFS = {
    "pearson": [1.0, 0.7672728719, 0.6559553261, 0.6080142779, 0.5864815558],
    "response": [1.0, 0.7672728719, 0.6559553261, 0.6080142779, 0.5864815558],
    "normalized": [1.0, -0.08965038193, 0.10250164230, 0.05189563595, 0.13672124810],
}
VARIOGRAMS = {
    "pearson": [0.1979986754, 0.2993227129, 0.3749847084, 0.3731963413],
    "response": [485.4397721, 733.8592000, 919.3621675, 914.9775699],
    "normalized": [1.0977723017, 0.8930478176, 0.9329476612, 0.8034483139],
}


@pytest.fixture(scope="module")
def serial():
    return mlpool.gls("Reaction ~ Days", SLEEP, correlation="ar1(Days | Subject)")


@pytest.mark.parametrize("type_", ACFS)
def test_numbers_are_nlmes(serial, type_):
    # nlme's search ends 1e-7 from the optimum; the smallest correlations are 0.05
    found = mlpool.ACF(serial, 4, type=type_).table
    assert found["ACF"].to_numpy() == pytest.approx(ACFS[type_], rel=1e-5)
    assert found["n_used"].tolist() == [180, 162, 144, 126, 108]
    table = mlpool.Variogram(serial, type=type_).table
    assert table["variog"].to_numpy()[:4] == pytest.approx(VARIOGRAMS[type_], rel=1e-6)
    assert table["n_pairs"].tolist()[:4] == [162, 144, 126, 108]


def test_models_of_lmer_and_many_distances():
    m = mlpool.lmer("distance ~ age + (1 | Subject)", mlpool.load_data("Orthodont"))
    expected = [1.0, -0.2716108749, -0.1471380483, -0.6322691677]
    assert mlpool.ACF(m).table["ACF"].to_numpy() == pytest.approx(expected, rel=1e-6)
    t = SLEEP["Days"] + np.round(np.arange(1, 181) * 7 % 13 / 26, 3)
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.assign(t=t))
    table = mlpool.Variogram(m, "t").table
    assert table["variog"].to_numpy()[:4] == pytest.approx(
        [0.52904207, 0.74012352, 0.25970264, 0.70201371], rel=1e-6
    )
    assert table["dist"].to_numpy()[:4] == pytest.approx([0.769, 1.269, 1.270, 2.038], abs=1e-9)
    assert table["n_pairs"].tolist() == [
        82, 37, 38, 77, 60, 46, 38, 43, 22, 92, 62, 13, 59, 28, 41, 49, 18,
    ]  # fmt: skip


def test_the_order_of_rows_moves_nothing(serial):
    other = mlpool.gls(
        "Reaction ~ Days", SLEEP.sample(frac=1.0, random_state=2),
        correlation="ar1(Days | Subject)",
    )  # fmt: skip
    for verb in (mlpool.ACF, mlpool.Variogram):
        one, two = verb(serial).table, verb(other).table
        assert two.to_numpy() == pytest.approx(one.to_numpy(), rel=1e-6)


def test_pictures_and_sentences(serial):
    assert mlpool.ACF(serial).plot().labels.x == "Lag"
    assert mlpool.plot(mlpool.Variogram(serial)).labels.y == "Semivariogram"
    with pytest.raises(mlpool.NotSupportedError, match="within groups"):
        mlpool.ACF(mlpool.lm("Reaction ~ Days", SLEEP))
    with pytest.raises(mlpool.OptionError, match="type must be"):
        mlpool.ACF(serial, type="deviance")
    with pytest.raises(mlpool.OptionError, match="max_lag"):
        mlpool.ACF(serial, -1)
    with pytest.raises(mlpool.DataError, match="column of numbers"):
        mlpool.Variogram(
            mlpool.gls(
                "Reaction ~ Days", SLEEP.assign(z="a"), correlation="ar1(Days | Subject)"
            ), "z",
        )  # fmt: skip
    with pytest.raises(mlpool.ColumnNotFoundError):
        mlpool.Variogram(serial, "hours")
