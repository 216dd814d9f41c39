"""Joint tests of linear hypotheses with a cluster-robust covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import generator
from mlpool.hypotheses.hypothesis_text import read_hypotheses
from mlpool.inference.sandwich.cluster_tests import ClusterPieces
from mlpool.inference.sandwich.wild_bootstrap import wild_draws, wild_wald
from mlpool.inference.small_sample.independent_hypotheses import independent_rows
from mlpool.inference.wald import chi2_upper_p, f_upper_p
from mlpool.keywords import ClusterTestSpellings
from mlpool.option_spellings import also_spelt, read_value
from mlpool.results import ResultFrame
from mlpool.robust.argument_checks import check_model, find_pieces, source_note
from mlpool.robust.wald_test_table import TestLayout
from mlpool.robust.wild_bootstrap import as_iterations
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike

TESTS = {
    "HTZ": "approximate Hotelling T2 (HTZ)",
    "Naive-F": "F on clusters - 1 degrees of freedom",
    "Chisq": "chi-square",
    "wild": "wild cluster bootstrap",
}
"""Reference distributions and how the footer names them."""


@also_spelt("vcov", "cluster", "test", keywords=ClusterTestSpellings)
def wald_test(
    model: FittedModel,
    constraints: object,
    vcov: str = "CR2",
    cluster: ClusterLike | None = None,
    *,
    test: str = "HTZ",
    weights: str = "rademacher",
    iterations: int = 9999,
    seed: SeedLike | None = None,
    **spellings: Unpack[ClusterTestSpellings],
) -> ResultFrame:
    """Test linear hypotheses jointly, as clubSandwich's ``Wald_test``.

    Parameters
    ----------
    model : LinearModel, GeneralizedLinearModel or LinearMixedModel
    constraints : str, list of str, or matrix of shape (q, p)
        Hypotheses as text (``"ses = 0, 2*a - b = 1"``), names of coefficients that are zero
        together, or one linear combination a row; see :func:`mlpool.linear_hypothesis`.
    vcov, cluster
        As :func:`mlpool.coef_test`.
    test : {"HTZ", "Naive-F", "chi-sq", "wild"}
        HTZ keeps its level with few clusters (Pustejovsky & Tipton 2018); ``"wild"`` is the wild
        cluster bootstrap of the CR1 Wald statistic, with the hypotheses imposed.
    weights, iterations, seed
        Of the bootstrap; see :func:`mlpool.wild_bootstrap`.
    **spellings
        ``cov_type=``, ``clusters=``, ``test_statistic=``: other names of the above.

    Returns
    -------
    ResultFrame
        Columns Test, Statistic, df_num, df_denom, p.

    Raises
    ------
    OptionError
        For unknown tests or types, hypotheses that contradict each other, or texts that repeat what
        others say.
    FormulaError
        If a hypothesis cannot be read or names an unknown coefficient.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses + sector", mlpool.load_data("hsb82"))
    >>> table = mlpool.wald_test(m, ["ses", "sectorCatholic"], cluster="school")
    >>> round(float(table["df_denom"].iloc[0]), 1)
    130.7
    """
    m = check_model(model, "wald_test")
    name = read_value("test", test, tuple(TESTS))
    hypotheses = read_hypotheses(constraints, m.names)
    pieces, choice = find_pieces(m, "CR1" if name == "wild" else vcov, cluster)
    L, rhs = independent_rows(hypotheses.L, hypotheses.rhs, pieces.bread)
    if name == "wild":
        rng = generator(seed)
        draws = wild_draws(weights, pieces.n_clusters, as_iterations(iterations), rng)
        Q, p = wild_wald(pieces, L, rhs, draws)
        statistic, df_num, df_den = Q / len(L), float(len(L)), np.nan
    else:
        statistic, df_num, df_den, p = _analytic(pieces, L, rhs, name)
    frame = pd.DataFrame(
        {
            "Test": ["chi-sq" if name == "Chisq" else name],
            "Statistic": [statistic], "df_num": [df_num], "df_denom": [df_den], "p": [p],
        }
    )  # fmt: skip
    note = f"{source_note(choice)} Test: {TESTS[name]}."
    return ResultFrame(
        data=frame,
        layout=TestLayout(statistic="Chi2" if name == "Chisq" else "F", footers=(note,)),
        metadata={"kind": m.kind, "vcov": choice.label, "test": name, "hypotheses": hypotheses},
    )


def _analytic(
    pieces: ClusterPieces, L: FloatArray, rhs: FloatArray, name: str
) -> tuple[float, float, float, float]:
    q = float(len(L))
    if name == "HTZ":
        result = pieces.htz(L, rhs)
        return result.statistic, result.df_num, result.df_den, result.p
    distance = L @ pieces.beta - rhs
    Q = float(distance @ np.linalg.solve(L @ pieces.vcov @ L.T, distance))
    if name == "Chisq":
        return Q, q, np.inf, float(chi2_upper_p(Q, q))
    df = float(pieces.n_clusters - 1)
    return Q / q, q, df, float(f_upper_p(Q / q, q, df))
