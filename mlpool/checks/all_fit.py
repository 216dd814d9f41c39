"""`all_fit`: the same model from several starts and by another engine, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import generator, whole_number
from mlpool.errors import MlpoolError
from mlpool.models.argument_checks import check_mixed
from mlpool.models.extractors.parameter_names import parameter_names, parameter_values
from mlpool.performance.performance_table import Grid, GridColumn
from mlpool.refits.refit import update, with_record
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import MixedModel
    from mlpool.typing import SeedLike

CLOSE = 1e-3
"""Difference of -2 log-likelihoods, which have no unit, up to which fits agree: far below any that
changes a test, and what optimisers that do not use second derivatives leave."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AllFit(ResultFrame):
    """A table with a row per fit; `agree` tells whether all converged ones found the same."""

    agree: bool = True


def all_fit(m: MixedModel, n: int = 5, *, seed: SeedLike | None = 1) -> AllFit:
    """Fit a mixed model from several starts, and by statsmodels where it can (R's ``allFit``).

    Parameters
    ----------
    m : LinearMixedModel or GeneralizedLinearMixedModel
    n : int
        Starts: SDs of the random effects that would move the response as much as the residuals,
        a tenth and ten times as large, and random covariances.
    seed : int or Generator, optional
        Of the random starts.

    Returns
    -------
    AllFit
        Fit, Deviance (-2 log-likelihood, or the REML criterion), Difference from the smallest,
        and every parameter. A line below says whether the fits agree.

    Raises
    ------
    OptionError, NotSupportedError
        For a model without random effects or with a residual structure, or a wrong `n`.

    See Also
    --------
    check_convergence : gradient and Hessian of the model's own fit.

    References
    ----------
    Bates et al. (2015), J. Stat. Softw. 67(1); lme4's ``allFit``, which changes the optimiser where
    this changes the start.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> mlpool.all_fit(m, 3).agree
    True
    """
    model = check_mixed(m, "all_fit()")
    count = whole_number(n, "n", least=1, most=1000)
    rows = [_row("as fitted", model)]
    control = replace(model.control, progress=False)
    for label, start in _starts(model, count, generator(seed)):
        here = replace(model, control=replace(control, start=tuple(start.tolist())))
        try:
            rows.append(_row(label, with_record(here, model.design, here.fit_record(model.design))))
        except MlpoolError as error:
            rows.append({"Fit": label, "Remark": str(error)})
    rows += _statsmodels(model)
    return _table(model, pd.DataFrame(rows))


def _row(label: str, m: MixedModel) -> dict[str, object]:
    values = dict(zip(parameter_names(m, old=False), parameter_values(m), strict=True))
    converged = m.optimum is None or m.optimum.converged
    remark = "" if converged else "did not converge"
    return {"Fit": label, "Deviance": -2.0 * m.loglik, "Remark": remark, **values}


def _starts(m: MixedModel, n: int, rng: np.random.Generator) -> Iterator[tuple[str, FloatArray]]:
    """Yield labels and theta: SDs times the size of their column are one, and so on."""
    sizes = [np.sqrt(np.mean(r.z.rows(0, m.design.n) ** 2, axis=0)) for r in m.design.random]
    units = [1.0 / np.where(size > 0, size, 1.0) for size in sizes]
    for label, share in (("SDs of one", 1.0), ("a tenth", 0.1), ("ten times", 10.0))[:n]:
        yield f"start: {label}", np.concatenate([_lower(np.diag(share * u)) for u in units])
    for i in range(n - 3):
        drawn = []
        for unit in units:
            triangle = np.tril(rng.normal(size=(len(unit), len(unit))))
            np.fill_diagonal(triangle, np.exp(rng.normal(size=len(unit))))
            drawn.append(_lower(triangle * unit[:, None]))
        yield f"start: random {i + 1}", np.concatenate(drawn)


def _lower(triangle: FloatArray) -> FloatArray:
    """Return a lower triangle column by column."""
    columns, rows = np.triu_indices(len(triangle))
    return np.asarray(triangle[rows, columns])


def _statsmodels(m: MixedModel) -> list[dict[str, object]]:
    if m.kind != "lmer" or m.fit.engine != "mlpool":
        return []
    try:
        other = update(m, engine="statsmodels", control=None)
    except (MlpoolError, ImportError) as error:
        return [{"Fit": "statsmodels", "Remark": str(error)}]
    return [_row("statsmodels", other)]  # type: ignore[arg-type] # the same formula has bars


def _table(m: MixedModel, frame: pd.DataFrame) -> AllFit:
    names = parameter_names(m, old=False)
    best = float(frame["Deviance"].min())
    frame.insert(2, "Difference", frame["Deviance"] - best)
    done = frame[frame["Remark"] == ""]
    agree = bool((done["Difference"] <= CLOSE).all()) and len(done) > 1
    largest = float(done["Difference"].max())
    said = "agree" if agree else "do not agree"
    footers = [
        f"{len(done)} of {len(frame)} fits converged and {said}: deviances differ by up to "
        f"{largest:.2g}."
    ]
    remarks = zip(frame["Fit"].astype(str), frame["Remark"].astype(str), strict=True)
    footers += [f"{label}: {remark}" for label, remark in remarks if remark]
    columns = (
        GridColumn(name="Fit", header="Fit", style="label"),
        GridColumn(name="Deviance", header="Deviance"),
        *(GridColumn(name=name, header=name) for name in names),
    )
    layout = Grid(heading="All Fits", columns=columns, footers=tuple(footers))
    return AllFit(
        data=frame[[*[c for c in frame if c != "Remark"], "Remark"]], layout=layout, agree=agree,
        metadata={"kind": "all_fit", "model": m},
    )  # fmt: skip
