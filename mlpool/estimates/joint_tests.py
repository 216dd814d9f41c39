"""`joint_tests`: a test of every main effect and interaction among marginal means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.estimates.delta.term_spaces import (
    CONFOUNDED,
    REDUCED,
    TermSpace,
    TermTest,
    reference_values,
)
from mlpool.estimates.emmeans_names import read_mode
from mlpool.estimates.estimates_table import beside, grid_columns
from mlpool.estimates.grids.grid_language import Focal, read_focal
from mlpool.estimates.grids.nested_factors import nested_factors, nesting_notes
from mlpool.estimates.grids.reference_grid import focal_grid
from mlpool.estimates.grids.variables import model_variables
from mlpool.hypotheses.joint_tests import METHOD_NAMES, JointInference, joint_inference
from mlpool.keywords import InferenceSpellings
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt
from mlpool.performance.performance_table import Grid, GridColumn, label_columns
from mlpool.results import ResultFrame
from mlpool.tables import names_note

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, ClusterLike, VcovArgs, VcovLike


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", keywords=InferenceSpellings)
def joint_tests(
    model: FittedModel,
    *,
    lmer_df: str | None = None,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    ci_method: str | None = None,
    by: ByLike | None = None,
    **spellings: Unpack[InferenceSpellings],
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
    vcov, cluster, vcov_args, ci_method, **spellings
        As in :func:`mlpool.model_parameters`.
    by : str, sequence of str or dict, optional
        Test the other terms at every level of these factors (numbers: mean minus and plus one).

    Returns
    -------
    ResultFrame
        The columns of `by`, Term, df1, df2, F (Chi2 and df1 without residual df), p, Note: ``"e"``
        where empty cells leave fewer df. Of designs with empty cells, ``(confounded)`` is the test
        of what can be estimated of the cells beside the terms. Factors nested in others are tested
        within their nests.

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
    if not _terms(model):
        raise OptionError("This model has no predictors to test.")
    groups = read_focal(by, variables)
    options: dict[str, object] = {"vcov": vcov, "cluster": cluster, "ci_method": ci_method}
    method = read_mode(model, lmer_df, options)
    joint = joint_inference(
        model, vcov=vcov, cluster=cluster, vcov_args=vcov_args, ci_method=method
    )
    cells = focal_grid([replace(f, values=_values_of(f)) for f in groups])
    tables, cells_of = [], []
    for i in range(len(cells)):
        cell = cells.iloc[i : i + 1]
        space = TermSpace.of(model, variables, cell if groups else None)
        terms = _closed_terms(model, [f.name for f in groups])
        table = _tested(joint, space.tests(terms, joint.vcov))
        cells_of.append(cell.iloc[np.zeros(len(table), dtype=int)])
        tables.append(table)
    frame = pd.concat(tables, ignore_index=True)
    if not joint.is_f:
        frame["Chi2"] = frame["F"] * frame["df1"]
        frame = frame.drop(columns=["F", "df2"])
    footers = _footers(model, frame, groups)
    kept = [n for n in _OWN if n in frame and (n != "Note" or frame["Note"].any())]
    data, own = beside(grid_columns(pd.concat(cells_of)), {n: frame[n].to_numpy() for n in kept})
    columns = [replace(c, name=own[c.name]) for c in _LAYOUT.columns if c.name in own]
    layout = replace(
        _LAYOUT, columns=(*label_columns([f.name for f in groups]), *columns),
        footers=footers + names_note(own),
    )  # fmt: skip
    return ResultFrame(
        data=data,
        layout=layout,
        notes=(f"Denominator df by {METHOD_NAMES[joint.method]}.",) if joint.is_f else (),
        metadata={"kind": "joint_tests", "ci_method": joint.method, "vcov": joint.covariance},
    )  # fmt: skip


_OWN = ("Term", "df1", "df2", "F", "Chi2", "p", "Note")

_LAYOUT = Grid(
    columns=(
        GridColumn(name="Term", header="Term", style="label"),
        GridColumn(name="df1", header="df1", style="count"),
        GridColumn(name="df2", header="df2", style="count"),
        GridColumn(name="F", header="F"),
        GridColumn(name="Chi2", header="Chi2"),
        GridColumn(name="p", header="p", style="p"),
        GridColumn(name="Note", header="Note", style="label"),
    )
)


def _terms(model: FittedModel) -> list[tuple[str, ...]]:
    """Return the variables of every term of the fixed effects, each set once."""
    found: dict[tuple[str, ...], None] = {}
    for term in model.formula.fixed.terms:
        names = tuple(dict.fromkeys(c for e in term for c in e.columns))
        found.setdefault(names)
    return list(found)


def _closed_terms(model: FittedModel, by: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the terms without the variables of `by`, nested factors with what they are nested in.

    Tests come by the number of variables, as in emmeans, where nesting or `by` made new terms.
    """
    nests = nested_factors(model)
    found: dict[tuple[str, ...], None] = {}
    for names in _terms(model):
        outer = [o for n in names for o in nests.get(n, {}) if o not in names]
        closed = tuple(n for n in dict.fromkeys([*outer, *names]) if n not in by)
        same = [t for t in found if set(t) == set(closed)]
        if closed and not same:
            found[closed] = None
    return sorted(found, key=len) if nests else list(found)


def _values_of(focal: Focal) -> tuple[object, ...]:
    """Return the values of a variable of `by`: those given, else as emmeans takes them."""
    return focal.values if "=" in focal.text else reference_values(focal.variable)


def _tested(joint: JointInference, tests: Sequence[TermTest]) -> pd.DataFrame:
    rows = []
    for one in tests:
        test = joint.test(one.L)
        rows.append({
            "Term": one.name, "df1": test.df_num, "df2": test.df_den, "F": test.statistic,
            "p": test.p, "Note": one.note,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["Term", "df1", "df2", "F", "p", "Note"])


def _footers(model: FittedModel, frame: pd.DataFrame, groups: Sequence[Focal]) -> tuple[str, ...]:
    lines = []
    if (frame["Note"] == REDUCED).any():
        lines.append(f"{REDUCED}: df1 is smaller because not all contrasts can be estimated.")
    if (frame["Term"] == CONFOUNDED).any():
        lines.append(f"{CONFOUNDED}: what can be estimated of the cells beside the terms' tests.")
    tested = set(frame["Term"])
    by = [f.name for f in groups]
    names = [":".join(t) for t in _closed_terms(model, by)]
    absent = [n for n in names if n not in tested]
    if absent:
        lines.append(
            f"Not tested: {', '.join(absent)}, of which no contrast can be estimated or none "
            "differs from zero by definition."
        )
    used = list(dict.fromkeys(n for t in _terms(model) for n in t))
    return (*lines, *nesting_notes(used, nested_factors(model)))
