"""`bootstrap_parameters`: easystats' table of bootstrapped coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import pandas as pd

from mlpool.errors import check_option
from mlpool.intervals.bootstrap import Bootstrap
from mlpool.intervals.parameter_selection import read_level
from mlpool.keywords import ClusterSpellings
from mlpool.models.extractors.coefficients import require_kind
from mlpool.option_spellings import also_spelt
from mlpool.parameters.bootstrap import bootstrap_table, summarise_draws
from mlpool.parameters.headers import coefficient_header
from mlpool.parameters.parameters_table import ParametersLayout
from mlpool.parameters.pretty_names import pretty_names
from mlpool.refits.simulate import KINDS
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike


@also_spelt("cluster", keywords=ClusterSpellings)
def bootstrap_parameters(
    m: FittedModel | Bootstrap,
    iterations: int = 1000,
    *,
    centrality: str = "median",
    ci: float = 0.95,
    type: str | None = None,
    cluster: ClusterLike | None = None,
    seed: SeedLike | None = None,
    n_jobs: int | None = None,
    **spellings: Unpack[ClusterSpellings],
) -> ResultFrame:
    """Return bootstrapped coefficients with percentile intervals and p-values (easystats).

    Parameters
    ----------
    m : FittedModel or Bootstrap
        A model, or draws that :func:`mlpool.bootstrap` made of its parameters.
    iterations : int
        Replicates.
    centrality : {"median", "mean"}
        Of the draws.
    ci : float
    type : {"case", "parametric", "residual"}, optional
        By default ``"case"`` for lm and glm, ``"parametric"`` for mixed models, as in R.
    cluster, seed, n_jobs
        As :func:`mlpool.bootstrap`.
    **spellings
        ``clusters=``, another name of `cluster`.

    Returns
    -------
    ResultFrame
        Columns Parameter, Coefficient, CI, CI_low, CI_high, p.

    Raises
    ------
    OptionError
        For unknown options, or fewer than two replicates.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.bootstrap_parameters(m, 500, seed=1)
    >>> list(table.columns)
    ['Parameter', 'Coefficient', 'CI', 'CI_low', 'CI_high', 'p']
    """
    level = read_level(ci)
    check_option(centrality, ("median", "mean"), argument="centrality")
    if isinstance(m, Bootstrap):
        model, own = m.model, summarise_draws(m.model, m.drawn, level)
    else:
        require_kind(m, (*KINDS, "gls"), "bootstrap_parameters()")
        model, own = (
            m,
            bootstrap_table(m, iterations, seed, level, type_=type, cluster=cluster, n_jobs=n_jobs),
        )
    middle = own.mean if centrality == "mean" else own.estimate
    frame = pd.DataFrame({
        "Parameter": list(model.names), "Coefficient": middle, "CI": level, "CI_low": own.low,
        "CI_high": own.high, "p": own.p,
    })  # fmt: skip
    layout = ParametersLayout(
        labels=pretty_names(model.columns), headings=("",) * len(frame),
        coefficient=coefficient_header(model, False), level=level,
    )  # fmt: skip
    return ResultFrame(
        data=frame,
        layout=layout,
        notes=own.notes,
        metadata={
            "kind": "bootstrap_parameters", "ci": level, "formula": model.formula.text,
            "response": model.design.response_name,
        },
    )  # fmt: skip
