"""`joint_tests`: a test of every main effect and interaction among marginal means."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.estimates.aliases import read_mode
from mlpool.estimates.comparisons import make_comparison
from mlpool.estimates.focal import Focal
from mlpool.estimates.grid import expand, focal_grid, make_setting
from mlpool.estimates.links import Scale
from mlpool.estimates.rows import average
from mlpool.estimates.variables import Variable, model_variables
from mlpool.models.arguments import check_model
from mlpool.models.joint import METHOD_NAMES, joint_inference
from mlpool.performance.layout import Grid, GridColumn
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray


def joint_tests(
    model: Any,
    *,
    lmer_df: str | None = None,
    vcov: Any = None,
    cluster: Any = None,
    vcov_args: Any = None,
    ci_method: str | None = None,
) -> ResultFrame:
    """Test every main effect and interaction as emmeans' ``joint_tests`` does.

    Each term's contrasts of marginal means are tested together: differences of neighbouring levels
    (numbers: their mean plus and minus one), crossed for interactions, with equal weights over the
    levels of other factors. In balanced designs these are type III tests; a number in an
    interaction does not make the other main effects those at zero.

    Parameters
    ----------
    model : FittedModel
    lmer_df : {"satterthwaite", "kenward-roger", "asymptotic"}, optional
        As in :func:`mlpool.emmeans`.
    vcov, cluster, vcov_args, ci_method
        As in :func:`mlpool.model_parameters`.

    Returns
    -------
    ResultFrame
        Term, df1, df2, F (Chi2 and df1 without residual df), p.

    Raises
    ------
    OptionError
        If the model has no predictors.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> print(mlpool.joint_tests(m).to_pandas().round(3))
              Term  df1    df2      F     p
    0       recipe    2  262.0  1.112  0.33
    1  temperature    5  262.0  6.918  0.00
    """
    check_model(model, "joint_tests()")
    variables = {n: v for n, v in model_variables(model).items() if not v.is_group}
    terms = _terms(model)
    if not terms:
        raise OptionError("This model has no predictors to test.")
    options: dict[str, Any] = {"vcov": vcov, "cluster": cluster, "ci_method": ci_method}
    method = read_mode(model, lmer_df, options)
    joint = joint_inference(
        model, vcov=vcov, cluster=cluster, vcov_args=vcov_args, ci_method=method
    )
    rows = []
    for names in terms:
        test = joint.test(_contrasts(model, variables, names))
        rows.append(
            {
                "Term": ":".join(names),
                "df1": test.df_num,
                "df2": test.df_den,
                "F": test.statistic,
                "p": test.p,
            }
        )
    frame = pd.DataFrame(rows)
    if not joint.is_f:
        frame["Chi2"] = frame.pop("F") * frame["df1"]
        frame = frame[["Term", "df1", "Chi2", "p"]]
    note = f"Denominator df by {METHOD_NAMES[joint.method]}."
    return ResultFrame(
        data=frame,
        layout=_LAYOUT,
        notes=(note,) if joint.is_f else (),
        metadata={"kind": "joint_tests", "ci_method": joint.method, "vcov": joint.covariance},
    )


_LAYOUT = Grid(
    columns=(
        GridColumn(name="Term", header="Term", style="label"),
        GridColumn(name="df1", header="df1", style="count"),
        GridColumn(name="df2", header="df2", style="count"),
        GridColumn(name="F", header="F"),
        GridColumn(name="Chi2", header="Chi2"),
        GridColumn(name="p", header="p", style="p"),
    )
)


def _terms(model: Any) -> list[tuple[str, ...]]:
    """Return the variables of every term of the fixed effects, each set once."""
    found: dict[tuple[str, ...], None] = {}
    for term in model.formula.fixed.terms:
        names = tuple(dict.fromkeys(c for e in term for c in e.columns))
        found.setdefault(names)
    return list(found)


def _values(variable: Variable) -> tuple[Any, ...]:
    """Return a factor's levels, and a number's mean minus and plus one."""
    if not variable.is_numeric:
        return variable.levels
    return variable.mean - 1.0, variable.mean + 1.0


def _contrasts(model: Any, variables: dict[str, Variable], names: tuple[str, ...]) -> FloatArray:
    """Return the rows ``L`` of one term's contrasts: neighbouring levels, crossed."""
    focal = [Focal(variable=variables[n], values=_values(variables[n]), text=n) for n in names]
    others = [
        Focal(variable=v, values=_values(v), text=n)
        for n, v in variables.items()
        if n not in names and v.is_numeric
    ]
    setting = make_setting(variables, focal, averages=True, at=others)
    rows = expand(focal_grid(focal), variables, setting)
    means = average(model, rows, Scale(family=model.family, predict="link")).jacobian
    steps = [make_comparison("sequential", [str(v) for v in f.values]).weights for f in focal]
    # the first variable varies fastest, so its weights stand last in the product
    weights = reduce(lambda a, b: np.asarray(np.kron(a, b)), steps[::-1])
    return np.asarray(weights @ means)
