"""Clustered data with a known truth.

The two-level model, for unit i in cluster j with cluster-level predictor w_j:

    eta_ij = (a0 + a1 w_j + u_j) + (b0 + b1 w_j + v_j) x_ij + (g - b0) m_j
    x_ij   = m_j + d_ij,   m_j ~ N(0, sd_x_between^2),   d_ij ~ N(0, sd_x_within^2)
    (u_j, v_j) ~ N(0, G),  G from sd_intercept, sd_slope and cor

so b0 is the effect of x inside a cluster and g the effect of the cluster's mean (equal to b0 unless
`slope_between` says otherwise: a contextual effect). The outcome is eta + N(0, sigma^2), or a
success with probability 1 / (1 + exp(-eta)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, generator, number, numbers, plain_number, whole_number
from mlpool.errors import OptionError, brief, check_option
from mlpool.typing import FloatArray, IntArray

Sizes = int | tuple[int, int] | Sequence[int]


MOST_CLUSTERS = 10**7
"""More clusters, or units in each, than a teaching example can mean."""


def simulate_clusters(
    n_clusters: int = 20,
    n_per_cluster: Sizes = 30,
    *,
    intercept: float = 0.0,
    slope: float = 0.0,
    slope_between: float | None = None,
    effect_w: float = 0.0,
    slope_w: float = 0.0,
    sd_intercept: float | None = None,
    sd_slope: float = 0.0,
    cor: float = 0.0,
    sigma: float = 1.0,
    icc: float | None = None,
    sd_x_within: float = 1.0,
    sd_x_between: float = 0.0,
    binary_w: bool = False,
    family: str = "gaussian",
    seed: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Simulate a two-level data set (see the module's text for the model).

    Parameters
    ----------
    n_clusters : int
    n_per_cluster : int, (low, high) or sequence of int
        One size for all, a range to draw sizes from (both ends included), or a list with one size
        per cluster. A tuple of two numbers is a range unless there are two clusters.
    intercept, slope : float
        a0 and b0.
    slope_between : float, optional
        g, the effect of the cluster's mean of x; None: as `slope`.
    effect_w, slope_w : float
        a1 and b1: effects of the cluster-level predictor w on intercept and slope.
    sd_intercept, sd_slope, cor : float
        Standard deviations of (u_j, v_j) and their correlation. `sd_intercept` is 1 by default.
    sigma : float
        Residual standard deviation (gaussian).
    icc : float, optional
        In place of `sd_intercept`: sd_intercept^2 / (sd_intercept^2 + sigma^2), with
        sigma^2 = pi^2 / 3 for binomial outcomes.
    sd_x_within, sd_x_between : float
    binary_w : bool
        w is 0 in one half of the clusters and 1 in the other, instead of standard normal.
    family : {"gaussian", "binomial"}
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    DataFrame
        One row per unit: ``cluster`` (1, 2, ...), ``w``, ``x``, ``x_between`` (the mean m_j that
        x was drawn around), ``x_within``, ``y``. ``.attrs["truth"]`` has the parameters.

    Raises
    ------
    OptionError
        For sizes, standard deviations, correlations or ICCs that cannot be.

    Examples
    --------
    >>> d = simulate_clusters(3, [2, 4, 6], slope=1.0, seed=1)
    >>> d.groupby("cluster").size().tolist()
    [2, 4, 6]
    """
    check_option(family, ("gaussian", "binomial"), argument="family")
    rng = generator(seed)
    intercept, slope = number(intercept, "intercept"), number(slope, "slope")
    effect_w, slope_w = number(effect_w, "effect_w"), number(slope_w, "slope_w")
    between = slope if slope_between is None else number(slope_between, "slope_between")
    binary_w = flag(binary_w, "binary_w")
    sizes = _cluster_sizes(n_clusters, n_per_cluster, rng)
    residual = sigma if family == "gaussian" else math.pi / math.sqrt(3.0)
    tau = _intercept_sd(sd_intercept, icc, residual)
    _check_sds(
        sd_intercept=tau, sd_slope=sd_slope, sigma=sigma,
        sd_x_within=sd_x_within, sd_x_between=sd_x_between,
    )  # fmt: skip
    cor = number(cor, "cor", least=-1.0, most=1.0)
    truth = {
        "intercept": intercept, "slope": slope, "slope_between": between, "effect_w": effect_w,
        "slope_w": slope_w, "sd_intercept": tau, "sd_slope": sd_slope, "cor": cor,
        "sigma": sigma if family == "gaussian" else math.nan,
        "icc": tau**2 / (tau**2 + residual**2) if tau or residual else math.nan, "family": family,
    }  # fmt: skip
    data = _draw(truth, sizes, (sd_x_between, sd_x_within), binary_w, rng)
    data.attrs["truth"] = truth
    return data


def _draw(
    truth: dict[str, Any],
    sizes: IntArray,
    sd_x: tuple[float, float],
    binary_w: bool,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw clusters of these sizes; `sd_x` are the SDs of x between and within them."""
    n_clusters = len(sizes)
    codes = np.repeat(np.arange(n_clusters), sizes)
    w = (
        rng.permutation(np.arange(n_clusters) % 2).astype(float)
        if binary_w
        else rng.standard_normal(n_clusters)
    )
    u, v = _random_effects(n_clusters, truth["sd_intercept"], truth["sd_slope"], truth["cor"], rng)
    means = sd_x[0] * rng.standard_normal(n_clusters)
    within = sd_x[1] * rng.standard_normal(len(codes))
    x = means[codes] + within
    contextual = truth["slope_between"] - truth["slope"]
    eta = (truth["intercept"] + truth["effect_w"] * w + u + contextual * means)[codes]
    eta = eta + (truth["slope"] + truth["slope_w"] * w + v)[codes] * x
    data = pd.DataFrame(
        {"cluster": codes + 1, "w": w[codes], "x": x, "x_between": means[codes], "x_within": within}
    )
    data["y"] = _outcome(eta, truth["sigma"], truth["family"], rng)
    return data


def simulate_reversal(
    n_clusters: int = 5,
    n_per_cluster: int = 40,
    *,
    slope_within: float = -1.0,
    slope_between: float = 2.0,
    spread: float = 3.0,
    sigma: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Construct an effect reversal (Simpson's paradox): the pooled slope contradicts every cluster.

    Cluster means of x stand evenly `spread` apart; inside a cluster x varies around the mean by a
    standard normal, and residuals are made orthogonal to it, so that the least-squares slope of
    every cluster is `slope_within` exactly and that of the cluster means `slope_between` exactly.

    Parameters
    ----------
    n_clusters, n_per_cluster : int
        At least 2 and 3.
    slope_within, slope_between : float
        Of opposite signs.
    spread : float
        Distance of neighbouring clusters' means of x.
    sigma : float
        Residual standard deviation.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    DataFrame
        ``cluster, x, x_between, x_within, y``; ``.attrs["truth"]`` has both slopes and the pooled.

    Raises
    ------
    OptionError
        If the slopes do not disagree, or the clusters lie too close for the pooled slope to
        reverse.
    """
    whole_number(n_clusters, "n_clusters", least=0, most=MOST_CLUSTERS)
    whole_number(n_per_cluster, "n_per_cluster", least=0, most=MOST_CLUSTERS)
    if n_clusters < 2 or n_per_cluster < 3:
        raise OptionError("A reversal needs 2 clusters of 3 units or more.")
    slope_within = number(slope_within, "slope_within")
    slope_between = number(slope_between, "slope_between")
    spread, sigma = number(spread, "spread"), number(sigma, "sigma", least=0.0)
    if not slope_within * slope_between < 0:
        raise OptionError("slope_within and slope_between must have opposite signs.")
    rng = generator(seed)
    codes = np.repeat(np.arange(n_clusters), n_per_cluster)
    d = rng.standard_normal((n_clusters, n_per_cluster))
    d -= d.mean(axis=1, keepdims=True)
    e = rng.standard_normal(d.shape)
    e -= e.mean(axis=1, keepdims=True)
    e -= d * ((e * d).sum(axis=1) / (d * d).sum(axis=1))[:, None]
    means = spread * (np.arange(n_clusters) - (n_clusters - 1) / 2)
    within, noise = d.ravel(), sigma * e.ravel()
    between_ss, within_ss = n_per_cluster * float(means @ means), float(within @ within)
    pooled = (slope_between * between_ss + slope_within * within_ss) / (between_ss + within_ss)
    if not pooled * slope_between > 0:
        raise OptionError(
            f"The pooled slope is {pooled:.2f}: the clusters lie too close for a reversal; use a "
            "larger spread or a smaller slope_within."
        )
    x = means[codes] + within
    data = pd.DataFrame(
        {"cluster": codes + 1, "x": x, "x_between": means[codes], "x_within": within}
    )
    data["y"] = slope_between * means[codes] + slope_within * within + noise
    data.attrs["truth"] = {
        "slope_within": slope_within, "slope_between": slope_between, "slope_pooled": pooled,
    }  # fmt: skip
    return data


def _cluster_sizes(n_clusters: int, sizes: Sizes, rng: np.random.Generator) -> IntArray:
    n_clusters = whole_number(n_clusters, "n_clusters", least=1, most=MOST_CLUSTERS)
    if isinstance(sizes, tuple) and len(sizes) == 2 and n_clusters != 2:
        low, high = (whole_number(v, "n_per_cluster", least=1) for v in sizes)
        if not 1 <= low <= high:
            raise OptionError(
                f"A range of cluster sizes needs 1 <= low <= high; got {brief(sizes)}."
            )
        return np.asarray(rng.integers(low, high, n_clusters, endpoint=True), dtype=np.int64)
    array = np.broadcast_to(np.asarray(sizes), (n_clusters,)) if np.ndim(sizes) == 0 else sizes
    result = numbers(array, "n_per_cluster")
    if result.shape != (n_clusters,):
        raise OptionError(
            f"n_per_cluster lists {result.size} sizes for {n_clusters} clusters; give one per "
            "cluster, one number, or a range (low, high)."
        )
    if (result < 1).any() or (result != np.floor(result)).any():
        raise OptionError("Cluster sizes must be whole numbers from 1.")
    return result.astype(np.int64)


def _intercept_sd(sd_intercept: float | None, icc: float | None, residual: float) -> float:
    if icc is None:
        return 1.0 if sd_intercept is None else number(sd_intercept, "sd_intercept", least=0.0)
    if sd_intercept is not None:
        raise OptionError("Give icc or sd_intercept, not both.")
    share = plain_number(icc)
    if share is None or not 0.0 <= share < 1.0:
        raise OptionError(f"icc must be at least 0 and below 1; got {brief(icc)}.")
    return residual * math.sqrt(share / (1.0 - share))


def _check_sds(**sds: float) -> None:
    for name, value in sds.items():
        if not 0.0 <= (-1.0 if (found := plain_number(value)) is None else found) < math.inf:
            raise OptionError(f"{name} must be zero or positive; got {brief(value)}.")


def _random_effects(
    n: int, tau: float, sd_slope: float, cor: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    z = rng.standard_normal((2, n))
    return tau * z[0], sd_slope * (cor * z[0] + math.sqrt(1.0 - cor**2) * z[1])


def _outcome(eta: FloatArray, sigma: float, family: str, rng: np.random.Generator) -> Any:
    if family == "gaussian":
        return eta + sigma * rng.standard_normal(len(eta))
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(np.int64)
