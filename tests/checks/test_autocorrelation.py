"""`check_autocorrelation`: its level with independent rows, its power with dependent ones."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlpool

FAMILIES = {"poisson": "poisson", "logistic": "binomial", "successes": "binomial"}


def _noise(n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    e = rng.normal(size=n)
    for i in range(1, n):
        e[i] = rho * e[i - 1] + np.sqrt(1.0 - rho**2) * e[i]
    return e


def _made(kind: str, shape: tuple[int, int], sd: float, rho: float, seed: int) -> dict[str, Any]:
    """Rows of J groups that stand together; AR(1) noise below each response's distribution."""
    rng = np.random.default_rng(seed)
    J, k = shape
    g = np.repeat(np.arange(J), k)
    x = rng.normal(size=J * k)
    eta = 0.3 + 0.4 * x + sd * rng.normal(size=J)[g]
    e = _noise(J * k, rho, rng)
    u = stats.norm.cdf(e)
    y = {
        "normal": lambda: eta + e,
        "poisson": lambda: stats.poisson.ppf(u, np.exp(eta)),
        "logistic": lambda: (u < 1.0 / (1.0 + np.exp(-eta))) * 1.0,
        "successes": lambda: stats.binom.ppf(u, 8, 1.0 / (1.0 + np.exp(-eta))),
    }[kind]()
    return {"g": g, "x": x, "y": y, "rest": 8.0 - y}


def _fitted(kind: str, d: dict[str, Any], *, mixed: bool) -> Any:
    text = ("cbind(y, rest)" if kind == "successes" else "y") + " ~ x" + " + (1 | g)" * mixed
    if kind == "normal":
        return mlpool.lmer(text, d) if mixed else mlpool.lm(text, d)
    fit = mlpool.glmer if mixed else mlpool.glm
    return fit(text, d, family=FAMILIES[kind])


def _rejected(
    kind: str, n: int, shape: tuple[int, int] = (12, 8), *, mixed: bool = True, sd: float = 1.0,
    rho: float = 0.0,
) -> int:  # fmt: skip
    """Number of n data sets whose residuals are called autocorrelated."""
    found = 0
    for seed in range(n):
        m = _fitted(kind, _made(kind, shape, sd * mixed, rho, seed), mixed=mixed)
        found += bool(mlpool.check_autocorrelation(m, nsim=199, seed=seed))
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("kind", ["normal", "poisson", "logistic"])
def test_independent_rows_in_groups_are_called_so(kind: str) -> None:
    """Of 80 data sets about 4; more than the upper 0.1 % of Binomial(80, 0.05) is no chance."""
    assert _rejected(kind, 80) <= stats.binom.isf(1e-3, 80, 0.05)


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("kind", ["normal", "poisson", "logistic", "successes"])
def test_dependent_rows_are_found(kind: str, mixed: bool) -> None:
    assert _rejected(kind, 8, (20, 10), mixed=mixed, rho=0.7) >= 7


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize(
    ("kind", "shape", "mixed", "sd"),
    [
        ("normal", (20, 10), False, 0.0),
        ("normal", (30, 5), True, 1.0),
        ("normal", (60, 3), True, 1.0),
        ("poisson", (30, 5), False, 0.0),
        ("poisson", (60, 3), True, 1.0),
        ("poisson", (12, 12), True, 2.0),
        ("logistic", (30, 5), False, 0.0),
        ("logistic", (60, 3), True, 1.0),
        ("logistic", (10, 20), True, 2.0),
        ("logistic", (40, 4), True, 0.0),
        ("successes", (30, 5), True, 1.0),
    ],
)
def test_the_level_holds(kind: str, shape: tuple[int, int], mixed: bool, sd: float) -> None:
    """Between 2.5 and 7.5 % of 400 independent data sets (p of 199 draws is exact at 5 %)."""
    assert 10 <= _rejected(kind, 400, shape, mixed=mixed, sd=sd) <= 30


def test_draws_are_those_of_least_squares() -> None:
    """Without groups: the p-value of residuals that ordinary least squares leaves of noise."""
    d = _made("normal", (20, 10), 0.0, 0.12, 3)
    m = mlpool.lm("y ~ x", d)
    X = np.column_stack([np.ones(200), d["x"]])
    rng = np.random.default_rng(1)
    e = rng.normal(size=(200, 20_000))
    e -= X @ np.linalg.lstsq(X, e, rcond=None)[0]
    draws = (np.diff(e, axis=0) ** 2).sum(axis=0) / (e**2).sum(axis=0)
    check = mlpool.check_autocorrelation(m, nsim=5000)
    share = float(np.mean(draws < check.statistic))
    assert check.p_value == pytest.approx(2.0 * min(share, 1.0 - share), abs=0.02)
    assert 0.02 < check.p_value < 0.5


def test_units_do_not_decide() -> None:
    d = _made("normal", (20, 10), 1.0, 0.1, 5)
    plain = mlpool.check_autocorrelation(mlpool.lmer("y ~ x + (1 | g)", d))
    for unit in (1e-9, 1e9):
        other = {**d, "y": d["y"] * unit, "x": d["x"] * unit + 1e3 * unit}
        check = mlpool.check_autocorrelation(mlpool.lmer("y ~ x + (1 | g)", other))
        assert check.statistic == pytest.approx(plain.statistic, rel=1e-6)
        assert check.p_value == pytest.approx(plain.p_value, abs=0.004)


def test_means_stay_in_the_range_of_an_identity_link() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0.0, 1.0, 60)
    d = {"x": x, "y": rng.poisson(0.2 + 3.0 * x)}
    m = mlpool.glm("y ~ x", d, family="poisson(identity)")
    assert 0.0 < mlpool.check_autocorrelation(m).p_value <= 1.0
