"""Samples from a population of clusters, and how their means vary (Kish 1965, Survey Sampling)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlpool.argument_values import generator, whole_number
from mlpool.errors import ColumnNotFoundError, DataError, OptionError, brief, nearest_names
from mlpool.results import ResultFrame
from mlpool.teaching.studies_table import StudyLayout
from mlpool.typing import FloatArray, IntArray

_CELLS_AT_ONCE = 4_000_000
"""Random numbers drawn in one piece; bounds the memory of a study."""


def simple_random_sample(
    population: pd.DataFrame, n: int, *, seed: int | np.random.Generator | None = None
) -> pd.DataFrame:
    """Draw n units without replacement, every unit with the same chance.

    Raises
    ------
    DataError
        If the population has fewer units.
    """
    _check_population(population)
    if not 1 <= whole_number(n, "n", least=0) <= len(population):
        raise DataError(f"A sample of {n} units cannot be drawn from {len(population)}.")
    rows = generator(seed).choice(len(population), n, replace=False)
    return population.iloc[np.sort(rows)]


def two_stage_sample(
    population: pd.DataFrame,
    cluster: str,
    n_clusters: int,
    n_per_cluster: int,
    *,
    seed: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Draw clusters, then units inside each, both without replacement.

    Raises
    ------
    DataError
        If there are fewer clusters, or some cluster has fewer units.
    """
    codes = _codes(population, cluster)
    sizes = np.bincount(codes)
    _check_stages(sizes, n_clusters, n_per_cluster)
    rng = generator(seed)
    rows = []
    for j in np.sort(rng.choice(len(sizes), n_clusters, replace=False)):
        own = np.flatnonzero(codes == j)
        rows.append(np.sort(rng.choice(own, n_per_cluster, replace=False)))
    return population.iloc[np.concatenate(rows)]


def sampling_study(
    population: pd.DataFrame,
    value: str,
    cluster: str,
    *,
    n_clusters: int = 10,
    n_per_cluster: int = 10,
    draws: int = 20_000,
    seed: int | np.random.Generator | None = None,
) -> ResultFrame:
    """Compare the mean of two-stage samples with that of simple random samples of the same size.

    Parameters
    ----------
    population : DataFrame
    value, cluster : str
        Columns: what is averaged, and the clusters.
    n_clusters, n_per_cluster : int
        Clusters drawn, and units drawn in each; the simple random sample has as many units.
    draws : int
        Samples of each kind.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    ResultFrame
        One row per design: Design, Mean, Bias, Variance, SE (standard deviation of the mean over
        draws), DEFF (variance over that of simple random samples). `metadata` has the population's
        mean and ICC, ``deff_expected`` = 1 + ICC (n_per_cluster - 1), and the means of all draws.

    Raises
    ------
    DataError, OptionError
        For samples that cannot be drawn.
    """
    draws = whole_number(draws, "draws", least=2)
    codes, y = _codes(population, cluster), _values(population, value)
    sizes = np.bincount(codes)
    _check_stages(sizes, n_clusters, n_per_cluster)
    rng = generator(seed)
    staged = _two_stage_means(y, codes, n_clusters, n_per_cluster, draws, rng)
    simple = _simple_means(y, n_clusters * n_per_cluster, draws, rng)
    rho = intraclass_correlation(y, codes)
    truth = float(y.mean())
    means = {"Simple random": simple, "Two-stage": staged}
    reference = float(simple.var(ddof=1))
    frame = pd.DataFrame(
        [
            {
                "Design": name, "Mean": float(m.mean()), "Bias": float(m.mean()) - truth,
                "Variance": float(m.var(ddof=1)), "SE": float(m.std(ddof=1)),
                "DEFF": float(m.var(ddof=1)) / reference,
            }
            for name, m in means.items()
        ]
    )  # fmt: skip
    expected = 1.0 + rho * (n_per_cluster - 1)
    return ResultFrame(
        data=frame,
        layout=StudyLayout(
            title="Sampling distribution of the mean",
            footers=(
                f"Population mean {truth:.3f}, ICC {rho:.3f}; {draws} draws of "
                f"{n_clusters * n_per_cluster} units.",
                f"Design effect 1 + ICC (n - 1) = {expected:.2f}",
            ),
        ),
        metadata={
            "kind": "sampling_study", "mean": truth, "icc": rho, "deff_expected": expected,
            "means": means,
        },
    )  # fmt: skip


def intraclass_correlation(y: FloatArray, codes: IntArray) -> float:
    """Return the ANOVA estimate of the ICC: (MSB - MSW) / (MSB + (n0 - 1) MSW).

    n0 = (N - sum n_j^2 / N) / (J - 1) (Donner 1986, International Statistical Review 54).
    """
    sizes = np.bincount(codes).astype(float)
    sums = np.bincount(codes, y)
    N, J = len(y), len(sizes)
    means = sums / sizes
    grand = y.mean()
    msb = float((sizes * (means - grand) ** 2).sum()) / (J - 1)
    msw = float(((y - means[codes]) ** 2).sum()) / (N - J)
    n0 = (N - float((sizes**2).sum()) / N) / (J - 1)
    return (msb - msw) / (msb + (n0 - 1) * msw)


def _two_stage_means(
    y: FloatArray, codes: IntArray, a: int, b: int, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Means of `draws` two-stage samples; a random order of each row picks the first b units."""
    sizes = np.bincount(codes)
    J, widest = len(sizes), int(sizes.max())
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = y[order]
    out = np.empty(draws)
    step = max(1, _CELLS_AT_ONCE // (J + a * widest))
    for at in range(0, draws, step):
        m = min(step, draws - at)
        chosen = np.argpartition(rng.random((m, J)), a - 1, axis=1)[:, :a]
        # The order inside a partition differs between processors; a seed's samples must not.
        chosen.sort(axis=1)
        keys = rng.random((m, a, widest))
        keys[np.arange(widest) >= sizes[chosen][:, :, None]] = 2.0  # beyond the cluster's end
        units = np.argpartition(keys, b - 1, axis=2)[:, :, :b]
        out[at : at + m] = values[starts[chosen][:, :, None] + units].mean(axis=(1, 2))
    return out


def _simple_means(y: FloatArray, n: int, draws: int, rng: np.random.Generator) -> FloatArray:
    """Means of `draws` simple random samples without replacement."""
    out = np.empty(draws)
    for i in range(draws):
        out[i] = y[rng.choice(len(y), n, replace=False, shuffle=False)].mean()
    return out


def _codes(population: pd.DataFrame, cluster: str) -> IntArray:
    _check_column(population, cluster, "cluster")
    codes, _ = pd.factorize(population[cluster])
    if (codes < 0).any():
        raise DataError(f"{brief(cluster)} is missing in {int((codes < 0).sum())} rows.")
    return np.asarray(codes)


def _values(population: pd.DataFrame, value: str) -> FloatArray:
    _check_column(population, value, "value")
    try:
        y = np.asarray(population[value], dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"The column {brief(value)} holds no numbers.") from None
    if not np.all(np.isfinite(y)):
        raise DataError(f"The column {brief(value)} has missing or infinite values.")
    return y


def _check_population(population: object) -> None:
    if not isinstance(population, pd.DataFrame):
        raise DataError(f"population must be a pandas data frame; got {brief(population)}.")


def _check_column(population: object, name: object, argument: str) -> None:
    _check_population(population)
    known = list(population.columns)  # type: ignore[attr-defined]
    if not isinstance(name, str):
        raise OptionError(f"{argument} must be the name of a column; got {brief(name)}.")
    if known.count(name) != 1:
        hint = nearest_names(name, [str(c) for c in known])
        raise ColumnNotFoundError(f"The population has no column {brief(name)} of its own.{hint}")


def _check_stages(sizes: Any, n_clusters: int, n_per_cluster: int) -> None:
    whole_number(n_clusters, "n_clusters", least=0)
    whole_number(n_per_cluster, "n_per_cluster", least=0)
    if not len(sizes):
        raise DataError("The population has no rows.")
    if not 1 <= n_clusters <= len(sizes):
        raise DataError(f"{n_clusters} clusters cannot be drawn from {len(sizes)}.")
    if not 1 <= n_per_cluster <= int(sizes.min()):
        raise DataError(
            f"{n_per_cluster} units cannot be drawn from every cluster: the smallest has "
            f"{int(sizes.min())}."
        )
