"""`reliability`: how far each group's own estimate can be trusted, and what clustering costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.engine.rank import triangular_factor
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.floating_point import usual_floats
from mlpool.models.argument_checks import backend_of, check_mixed
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn, label_columns
from mlpool.performance.variance_components import distribution_variance
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.formula.random_terms import RandomDesign
    from mlpool.models import FittedModel, MixedModel

_SINGULAR = 1e-8
"""Least eigenvalue of a level's correlations between columns: a level whose values spread over less
than 1e-4 of what they do in all rows tells no slope."""
_BLOCK = 1 << 16


@usual_floats
def reliability(m: FittedModel, *, group: str | None = None) -> ResultFrame:
    """Return the reliability lambda_j of every group's own estimate.

    ``lambda_j = tau^2 / (tau^2 + v_j)`` with v_j the sampling variance of the group's own least-
    squares coefficient, ``sigma^2 / n_j`` for a random intercept alone. A group's partially pooled
    mean is ``lambda_j ybar_j + (1 - lambda_j)`` times the overall one.

    Parameters
    ----------
    m : FittedModel
        With random effects.
    group : str, optional
        A grouping factor; the first one by default.

    Returns
    -------
    ResultFrame
        Group, Level, Parameter, n, Reliability; missing where a group's own coefficient cannot be
        estimated. `metadata` has, for the intercept: ``tau2``, ``sigma2``, ``ICC1`` (of a single
        row), ``mean_n``, ``harmonic_mean_n``, ``ICC2`` (of a mean of mean_n rows), ``mean``
        (of lambda_j), ``design_effect``, ``deft`` and ``effective_n``.

    Raises
    ------
    NotSupportedError
        For models without random effects.
    OptionError
        For an unknown group.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, eqs. 3.42 and 3.58 (reliability); Kish
    (1965) (design effect); Bliese (2000) (ICC(1), ICC(2)).

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    >>> table = reliability(m)
    >>> round(float(table["Reliability"].iloc[0]), 3), round(table.metadata["design_effect"], 2)
    (0.783, 2.67)
    """
    m = check_mixed(m, "reliability()")
    name = _which_group(m, group)
    sigma2 = distribution_variance(m)
    terms = [r for r in m.design.random if r.group == name]
    blocks = [b for b in m.varcorr().blocks if b.group == name]
    variances = np.concatenate([np.diag(block.vcov) for block in blocks])
    sampling = sigma2 * _sampling_shares(m, terms)
    data = _rows(terms, variances / (variances + sampling))
    metadata = {"kind": "reliability", "group": name, **_summary(m, name, data, sigma2)}
    return ResultFrame(
        data=data, layout=_layout(metadata, data), options=DIGITS, metadata=metadata,
        backend=backend_of(m),
    )  # fmt: skip


def _which_group(m: FittedModel, group: str | None) -> str:
    known: list[str] = [r.group for r in m.design.random]
    if group is None:
        return known[0]
    if not isinstance(group, str) or group not in known:
        raise OptionError(
            f"group must be one of {tuple(dict.fromkeys(known))}; got {brief(group)}."
            + nearest_names(group, known)
        )
    return group


def _sampling_shares(m: FittedModel, terms: list[RandomDesign]) -> FloatArray:
    """Return the diagonals of ``(Z_j' W Z_j)^-1`` of every level (J, k).

    Products are made of ``Z R^-1``, whose columns are orthogonal over all rows, so that no unit and
    no origin (calendar years) decides which levels have an inverse and how many digits it has.
    """
    triangle = _triangle(terms, m.design.n)
    size = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    size = np.where(size > 0, size, 1.0)
    # columns have length one: the cut-off is a share without units
    back = np.linalg.pinv(triangle / size) / size[:, None]
    inverses = _inverses(_cross_products(m, terms, back))
    return np.asarray(np.einsum("ka,jab,kb->jk", back, inverses, back))


def _triangle(terms: list[RandomDesign], n: int) -> FloatArray:
    """Return R of Z = QR for all columns of a group, by blocks of rows."""
    blocks = (
        np.hstack([t.z.rows(start, min(start + _BLOCK, n)) for t in terms])
        for start in range(0, n, _BLOCK)
    )
    return triangular_factor(blocks, sum(t.z.shape[1] for t in terms))


def _cross_products(m: FittedModel, terms: list[RandomDesign], back: FloatArray) -> FloatArray:
    """Return Z_j' W Z_j of every level (J, k, k) for columns ``Z @ back``, by blocks of rows."""
    n, codes, levels = m.design.n, terms[0].codes, len(terms[0].levels)
    k = back.shape[1]
    total = np.zeros((levels, k, k))
    weights = m.design.weights
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        z = np.hstack([t.z.rows(start, stop) for t in terms]) @ back
        w = np.ones(stop - start) if weights is None else weights[start:stop]
        for a in range(k):
            for b in range(a + 1):
                products = w * z[:, a] * z[:, b]
                total[:, a, b] += np.bincount(codes[start:stop], products, minlength=levels)
    rows, cols = np.tril_indices(k, -1)
    total[:, cols, rows] = total[:, rows, cols]
    return total


def _inverses(products: FloatArray) -> FloatArray:
    """Return the inverses (J, k, k); missing where a level's matrix is singular."""
    scale = np.sqrt(np.einsum("jkk->jk", products))
    scale = np.where(scale > 0, scale, 1.0)
    scales = scale[:, :, None] * scale[:, None, :]
    unit = products / scales
    # an eigenvalue of correlations between columns, in no unit
    regular = np.linalg.matrix_rank(unit, tol=_SINGULAR, hermitian=True) == unit.shape[1]
    inverses = np.full(products.shape, np.nan)
    inverses[regular] = np.linalg.inv(unit[regular]) / scales[regular]
    return inverses


def _rows(terms: list[RandomDesign], values: FloatArray) -> pd.DataFrame:
    first, k = terms[0], values.shape[1]
    counts = np.bincount(first.codes, minlength=len(first.levels))
    return pd.DataFrame(
        {
            "Group": first.group,
            "Level": [level for level in first.levels for _ in range(k)],
            "Parameter": [name for t in terms for name in t.z.names] * len(first.levels),
            "n": np.repeat(counts, k),
            "Reliability": values.ravel(),
        }
    )


def _summary(m: MixedModel, name: str, data: pd.DataFrame, sigma2: float) -> dict[str, float]:
    """Return ICC(1), ICC(2), design effect and effective n of the group's intercept."""
    rows = data[data["Parameter"] == "(Intercept)"]
    if not len(rows):
        return {}
    blocks = [b for b in m.varcorr().blocks if b.group == name and b.names[0] == "(Intercept)"]
    tau2 = float(blocks[0].vcov[0, 0])
    counts = rows["n"].to_numpy(dtype=float)
    mean_n = float(counts.mean())
    icc1 = tau2 / (tau2 + sigma2)
    deff = 1.0 + (mean_n - 1.0) * icc1
    return {
        "tau2": tau2,
        "sigma2": sigma2,
        "mean_n": mean_n,
        "harmonic_mean_n": float(len(counts) / np.sum(1.0 / counts)),
        "ICC1": icc1,
        "ICC2": tau2 / (tau2 + sigma2 / mean_n),
        "mean": float(rows["Reliability"].mean()),
        "design_effect": deff,
        "deft": float(np.sqrt(deff)),
        "effective_n": m.nobs / deff,
    }


def _layout(metadata: dict[str, object], data: pd.DataFrame) -> Grid:
    shown = ["Group", "Level", "Parameter"]
    if (data["Parameter"] == "(Intercept)").all():
        shown.remove("Parameter")
    columns = (
        *label_columns(shown),
        GridColumn(name="n", header="n", style="count"),
        GridColumn(name="Reliability", header="Reliability", style="plain"),
    )
    footers: tuple[str, ...] = ()
    if "ICC1" in metadata:
        footers = (
            f"ICC(1): {metadata['ICC1']:.3f}; ICC(2): {metadata['ICC2']:.3f} "
            f"(mean of {metadata['mean_n']:.1f} rows)",
            f"Design effect: {metadata['design_effect']:.3f}; "
            f"effective n: {metadata['effective_n']:.1f}",
        )
    heading = "Reliability of Group Estimates"
    return Grid(columns=columns, heading=heading, footers=footers, layout="estimates")
