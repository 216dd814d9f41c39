"""`regrid`: a table of means moved to another scale for good, as R's ``regrid``."""

from __future__ import annotations

from dataclasses import replace

from mlpool.errors import check_option
from mlpool.estimates.delta.averages import logarithms
from mlpool.estimates.delta.delta_method import infer
from mlpool.estimates.emmeans.contrast import linear_of
from mlpool.estimates.estimates_table import (
    EstimatesLayout,
    beside,
    grid_columns,
    inference_columns,
)
from mlpool.estimates.request import metadata_of, notes_on, robust_lines
from mlpool.estimates.scale.links import Scale
from mlpool.estimates.scale.response_transforms import TransformedResponse
from mlpool.results import ResultFrame
from mlpool.tables import names_note

_LOG = TransformedResponse(link="log", function="log")


def regrid(means: ResultFrame, transform: str = "response") -> ResultFrame:
    """Return a table of means whose contrasts are taken on another scale (emmeans' ``regrid``).

    Parameters
    ----------
    means : ResultFrame
        Of :func:`emmeans` or :func:`estimate_means`.
    transform : {"response", "log"}
        ``"response"``: probabilities, counts, the outcome itself: contrasts are differences of
        these. ``"log"``: their logarithms, so that contrasts with ``type="response"`` are ratios
        (risk ratios of probabilities).

    Returns
    -------
    ResultFrame
        As `means`: standard errors by the delta method, symmetric intervals.

    Raises
    ------
    OptionError
        For something that is no table of means, or logarithms of means that are not positive.

    See Also
    --------
    contrast : what the table is for.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("cbpp")
    >>> m = mlpool.glm("cbind(incidence, size - incidence) ~ period", d, "binomial")
    >>> risks = mlpool.regrid(mlpool.emmeans(m, "~ period"))
    >>> mlpool.pairs(risks)["Difference"].round(3).to_list()[:3]
    [0.139, 0.148, 0.174]
    """
    found = linear_of(means, "regrid()")
    check_option(transform, ("response", "log"), argument="transform")
    answers = found.on_response()
    scale = Scale(family=None, predict="response")
    if transform == "log":
        answers, scale = logarithms(answers), Scale(family=_LOG, predict="link")
    moved = replace(found, given=answers, scale=scale)
    result = infer(found.model, answers, found.request)
    value = "Slope" if found.trend else "Mean"
    if found.model.family is not None and found.model.family.kin == "binomial" and not found.trend:
        value = "Probability" if transform == "response" else "Mean"
    data, own = beside(grid_columns(found.grid), inference_columns(result, value, p=False))
    place = "logarithms" if transform == "log" else "the response-scale"
    layout = EstimatesLayout(
        title="Estimated Marginal Means", labels=tuple(map(str, found.grid.columns)), value=value,
        statistic=result.symbol, level=found.request.ci, names=own,
        footers=(f"Variable predicted: {found.model.design.response_name}",
                 f"Predictions are moved to {place}.",
                 *robust_lines(found.model, found.request), *names_note(own)),
    )  # fmt: skip
    return ResultFrame(
        data=data,
        layout=layout,
        notes=notes_on(found.model, found.request, result),
        metadata=metadata_of(found.model, "estimate_means", found.request, result)
        | {"by": tuple(found.grid.columns), "scale": scale.name, "names": own, "linear": moved},
    )
