"""The wild cluster bootstrap of single coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import generator, plain_number, whole_number
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.inference.sandwich.wild_bootstrap import wild_coefficient, wild_draws
from mlpool.keywords import ClusterSpellings
from mlpool.models.fitted import FittedModel
from mlpool.option_spellings import also_spelt
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.parameters.pretty_names import pretty_names
from mlpool.results import ResultFrame
from mlpool.robust.argument_checks import check_model, find_coefficients, find_pieces, source_note

if TYPE_CHECKING:
    from collections.abc import Sequence
from mlpool.typing import ClusterLike, NamesLike, SeedLike


@also_spelt("cluster", keywords=ClusterSpellings)
def wild_bootstrap(
    model: FittedModel,
    coefs: NamesLike | Sequence[int] | None = None,
    cluster: ClusterLike | None = None,
    *,
    weights: str = "rademacher",
    iterations: int = 9999,
    impose_null: bool = True,
    ci: float = 0.95,
    seed: SeedLike | None = None,
    **spellings: Unpack[ClusterSpellings],
) -> ResultFrame:
    """Test coefficients by the wild cluster bootstrap of their CR1 t statistics.

    For few clusters, and for clusters of very different sizes, where normal and t distributions
    reject too often. Intervals are the values that the same test does not reject. A mixed model
    is resampled with its variance parameters held at their estimates.

    Parameters
    ----------
    model : LinearModel or LinearMixedModel
    coefs : str or list of str, optional
        R's names; all by default.
    cluster : str, Series or array, optional
        As :func:`mlpool.coef_test`.
    weights : {"rademacher", "webb", "mammen"}
        Webb's six points serve better below about ten clusters. All 2^J Rademacher sign patterns
        are taken once where there are no more than `iterations`.
    iterations : int
    impose_null : bool
        Resample residuals of the fit under the hypothesis (the default, which keeps its level
        best), or of the fit as it is.
    ci : float
    seed : int, SeedSequence or Generator, optional
    **spellings
        ``clusters=``, another name of `cluster`.

    Returns
    -------
    ResultFrame
        Columns Parameter, Coefficient, SE (CR1), CI_low, CI_high, t, df_error (missing: there are
        none), p. p is the share of replicates with a larger absolute t.

    Raises
    ------
    OptionError
        For unknown weights or coefficients, or no replicates.
    NotSupportedError
        For generalised models, whose residuals cannot be resampled so.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.wild_bootstrap(m, "Days", cluster="Subject", seed=1)
    >>> bool(table["p"].iloc[0] < 0.01)
    True
    """
    m = _check(model, ci, impose_null)
    pieces, choice = find_pieces(m, "CR1", cluster)
    which = find_coefficients(m, coefs)
    draws = wild_draws(weights, pieces.n_clusters, as_iterations(iterations), generator(seed))
    eye = np.eye(len(m.names))
    rows = []
    for i in which:
        own = wild_coefficient(pieces, eye[i], draws, impose_null=impose_null)
        low, high = own.interval(ci)
        rows.append((m.names[i], own.estimate, own.se, low, high, own.t(), np.nan, own.p()))
    columns = ["Parameter", "Coefficient", "SE", "CI_low", "CI_high", "t", "df_error", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    how = "all" if draws.is_complete else "random"
    note = (
        f"{source_note(choice)} Wild bootstrap: {draws.n_replicates} {how} {weights} replicates, "
        f"null {'' if impose_null else 'not '}imposed."
    )
    labels = pretty_names(m.columns)
    return ResultFrame(
        data=frame,
        layout=ParametersLayout(
            labels=tuple(labels[i] for i in which), headings=("",) * len(which), statistic="t",
            level=ci, footers=(note,),
        ),
        metadata={
            "kind": m.kind, "vcov": "CR1", "weights": weights, "iterations": draws.n_replicates,
            "ci": ci, "n_clusters": choice.n_clusters, "cluster": choice.cluster_names,
            "response": m.design.response_name,
        },
    )  # fmt: skip


def as_iterations(iterations: object) -> int:
    """Return a number of replicates.

    Raises
    ------
    OptionError
        Unless it is a positive whole number.
    """
    return whole_number(iterations, "iterations", least=1)


def _check(model: FittedModel, ci: object, impose_null: object) -> FittedModel:
    m = check_model(model, "wild_bootstrap")
    if m.kind == "glm":
        raise NotSupportedError(
            "wild_bootstrap is for linear models; use coef_test(m, 'CR2', cluster=...) for a glm."
        )
    if not 0.0 < (plain_number(ci) or 0.0) < 1.0:
        raise OptionError(f"ci must lie between 0 and 1, as 0.95; got {brief(ci)}.")
    if not isinstance(impose_null, bool):
        raise OptionError(f"impose_null must be True or False; got {brief(impose_null)}.")
    return m
