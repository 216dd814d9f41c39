"""Tests of single coefficients with cluster-robust standard errors and small-sample df."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import OptionError, brief
from mlpool.inference.wald import wald
from mlpool.keywords import ClusterTestSpellings
from mlpool.option_spellings import also_spelt, read_value
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.parameters.pretty_names import pretty_names
from mlpool.results import ResultFrame
from mlpool.robust.argument_checks import check_model, find_coefficients, find_pieces, source_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpool.inference.sandwich.cluster_tests import ClusterPieces
    from mlpool.models import FittedModel
from mlpool.typing import ClusterLike, NamesLike

TESTS = {
    "Satterthwaite": "Satterthwaite degrees of freedom",
    "naive-t": "t on clusters - 1 degrees of freedom",
    "naive-tp": "t on clusters - coefficients degrees of freedom",
    "z": "normal approximation",
}
"""clubSandwich's reference distributions and how the footer names them."""


@also_spelt("vcov", "cluster", "test", keywords=ClusterTestSpellings)
def coef_test(
    model: FittedModel,
    vcov: str = "CR2",
    cluster: ClusterLike | None = None,
    *,
    test: str = "Satterthwaite",
    coefs: NamesLike | Sequence[int] | None = None,
    ci: float = 0.95,
    **spellings: Unpack[ClusterTestSpellings],
) -> ResultFrame:
    """Test coefficients with a cluster-robust covariance, as clubSandwich's ``coef_test``.

    Parameters
    ----------
    model : LinearModel, GeneralizedLinearModel or LinearMixedModel
    vcov : {"CR2", "CR0", "CR1", "CR1p", "CR1S", "CR3"}
    cluster : str, Series or array, optional
        By default the clusters the model was fitted with; of a mixed model the grouping factor
        with the fewest levels.
    test : {"Satterthwaite", "naive-t", "naive-tp", "z"}
        Reference distribution: Satterthwaite's df of each coefficient (Bell & McCaffrey 2002),
        clusters - 1, clusters - coefficients, or infinitely many.
    coefs : str or list of str, optional
        R's names of the coefficients to test.
    ci : float
        Confidence level (clubSandwich's ``conf_int``).
    **spellings
        ``cov_type=``, ``clusters=``, ``test_statistic=``: other names of the above.

    Returns
    -------
    ResultFrame
        Columns Parameter, Coefficient, SE, CI_low, CI_high, t, df_error, p.

    Raises
    ------
    OptionError
        For an unknown type, test, level or coefficient, or no cluster.
    NotSupportedError
        For clusters that cut through a grouping factor of a mixed model, or fewer than two.
    FitError
        If CR3 leaves out a cluster that alone determines a coefficient.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses", mlpool.load_data("hsb82"))
    >>> table = mlpool.coef_test(m, "CR2", cluster="school")
    >>> [round(float(df), 2) for df in table["df_error"]]
    [148.56, 133.45]
    """
    m = check_model(model, "coef_test")
    name = read_value("test", test, tuple(TESTS))
    if not isinstance(ci, int | float) or not 0.0 < ci < 1.0:
        raise OptionError(f"ci must lie between 0 and 1, as 0.95; got {brief(ci)}.")
    pieces, choice = find_pieces(m, vcov, cluster)
    which = find_coefficients(m, coefs)
    se = np.sqrt(np.diag(pieces.vcov))[which]
    table = wald(pieces.beta[which], se, _df(pieces, which, name), ci)
    frame = pd.DataFrame(
        {
            "Parameter": [m.names[i] for i in which],
            "Coefficient": table.estimate, "SE": table.se,
            "CI_low": table.low, "CI_high": table.high,
            "t": table.statistic, "df_error": table.df, "p": table.p,
        }
    )  # fmt: skip
    labels = pretty_names(m.columns)
    note = f"{source_note(choice)} Tests: {TESTS[name]}."
    return ResultFrame(
        data=frame,
        layout=ParametersLayout(
            labels=tuple(labels[i] for i in which), headings=("",) * len(which), statistic="t",
            level=ci, footers=(note,),
        ),
        metadata={
            "kind": m.kind, "vcov": vcov, "test": name, "ci": ci, "n_clusters": choice.n_clusters,
            "cluster": choice.cluster_names, "response": m.design.response_name,
        },
    )  # fmt: skip


def _df(pieces: ClusterPieces, which: list[int], test: str) -> Any:
    count = len(which)
    if test == "Satterthwaite":
        return pieces.df(np.eye(len(pieces.beta))[which])
    if test == "z":
        return np.full(count, np.inf)
    taken = 1 if test == "naive-t" else len(pieces.beta)
    if pieces.n_clusters <= taken:
        raise OptionError(
            f"test='naive-tp' has {pieces.n_clusters} clusters - {taken} coefficients; use "
            "'Satterthwaite'."
        )
    return np.full(count, float(pieces.n_clusters - taken))
