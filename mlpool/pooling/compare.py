"""`compare_pooling`: one question, three poolings, in two tables and a picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import (
    FewClustersWarning,
    MissingDataWarning,
    NotSupportedError,
    OptionError,
    brief,
)
from mlpool.estimates.group_coefficients import total_standard_errors
from mlpool.formula import parse_formula
from mlpool.formula.language.lexer import quote_name, unquote_name
from mlpool.formula.types import ParsedFormula
from mlpool.inference.sandwich.vcov_names import FEW_CLUSTERS
from mlpool.keywords import PoolingOptions, spell_out
from mlpool.models.fit import fit
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.single_level import LinearModel
from mlpool.parameters.pretty_names import pretty_names
from mlpool.performance.reliability import reliability
from mlpool.pooling.no_pooling import NoPooling, fit_no_pooling
from mlpool.pooling.pooling_table import COEFFICIENTS, GROUPS
from mlpool.registry import verb
from mlpool.results import ResultFrame
from mlpool.sources import Scan, read_rows
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions
    from mlpool.models import FittedModel
    from mlpool.typing import DataLike

_SHOWN = 10
"""Groups that the printed comparison shows; ``.groups`` has them all."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PoolingComparison:
    """Complete, no and partial pooling of one question.

    Attributes
    ----------
    complete : LinearModel
        Least squares that ignores the groups; its standard errors are cluster-robust (vcovCL).
    no : NoPooling
        Every group's own coefficients.
    partial : LinearMixedModel
    group : str
    coefficients : ResultFrame
        Parameter, and estimate and SE under each pooling (``Complete``, ``Complete_SE``,
        ``Complete_SE_robust``, ``No``, ``No_SE``, ``Partial``, ``Partial_SE``).
    groups : ResultFrame
        Per group and varying coefficient: Level, n, Parameter, the three estimates with the SEs
        of ``No`` and ``Partial``, and Reliability (lambda_j: the weight of the group's own).
    """

    complete: LinearModel
    no: NoPooling
    partial: LinearMixedModel
    group: str
    coefficients: ResultFrame
    groups: ResultFrame

    @property
    def varying(self) -> tuple[str, ...]:
        """Coefficients of which every group has its own."""
        return self.no.varying

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return :func:`mlpool.plot` of this comparison."""
        drawn: ggplot = verb("plot")(self, **options)
        return drawn

    def __str__(self) -> str:
        """Return both tables; of the groups the first ten."""
        more = f"\n{self._more}" if self._more else ""
        return f"{self.coefficients}\n\n{self._head}{more}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        more = f"<p>{self._more}</p>" if self._more else ""
        return f"{self.coefficients.to_html()}{self._head.to_html()}{more}"

    @property
    def _head(self) -> ResultFrame:
        shown = _SHOWN * len(self.varying)
        return replace(self.groups, data=self.groups.to_pandas().head(shown))

    @property
    def _more(self) -> str:
        left = len(self.groups) // len(self.varying) - _SHOWN
        return f"... and {left} more groups in .groups" if left > 0 else ""


@spell_out(PoolingOptions, like=fit)
def compare_pooling(
    formula: str,
    data: DataLike,
    group: str | None = None,
    *,
    slopes: str | Sequence[str] | None = None,
    **options: Unpack[PoolingOptions],
) -> PoolingComparison:
    """Fit one question with complete, no and partial pooling, on the same rows.

    Parameters
    ----------
    formula : str
        ``"math ~ ses"`` with `group`, or with its random part: ``"math ~ ses + (ses | school)"``.
    data : data frame, dict of arrays or path
    group : str, optional
        The grouping column, where the formula has no bar.
    slopes : str or list of str, optional
        Terms whose coefficients also differ between groups, where the formula has no bar.
    **options
        Of :func:`mlpool.fit`: ``weights``, ``offset``, ``subset``, ``contrasts``, ``reml`` ...

    Returns
    -------
    PoolingComparison

    Raises
    ------
    OptionError
        If the groups are named twice or not at all.
    NotSupportedError
        For several grouping factors, no random intercept, or families.

    References
    ----------
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, ch. 12;
    Raudenbush & Bryk (2002), ch. 3.

    Examples
    --------
    >>> import mlpool
    >>> c = mlpool.compare_pooling("math ~ ses", mlpool.load_data("hsb82"), group="school")
    >>> [round(float(c.coefficients[k].iloc[1]), 2) for k in ("Complete", "No", "Partial")]
    [3.18, 2.19, 2.39]
    """
    _check_options(options)
    frame = read_rows(data)
    if isinstance(frame, Scan):
        raise NotSupportedError(
            "compare_pooling() fits every group by itself, which needs the rows in memory; lm() "
            "and lmer() fit rows that are scanned."
        )
    parsed = parse_formula(formula, columns=frame.columns, context=options.get("context"))
    mixed = _mixed_text(parsed, group, slopes)
    partial = fit(mixed, frame, **options)
    assert isinstance(partial, LinearMixedModel)  # options have no family
    return comparison_of(partial)


def comparison_of(partial: LinearMixedModel) -> PoolingComparison:
    """Return the comparison whose partial pooling is a fitted model.

    Raises
    ------
    NotSupportedError
        As :func:`compare_pooling`.
    """
    _check_partial(partial)
    name = str(partial.design.random[0].group)
    complete = _complete(partial, name)
    no = fit_no_pooling(partial)
    return PoolingComparison(
        complete=complete,
        no=no,
        partial=partial,
        group=name,
        coefficients=_coefficients(complete, no, partial, name),
        groups=_groups(complete, no, partial, name),
    )


# --- the three fits -----------------------------------------------------------------------------


def _check_options(options: Mapping[str, object]) -> None:
    for name in ("family", "cluster", "vcov"):
        if options.get(name) is not None:
            raise NotSupportedError(
                f"compare_pooling takes no {name}=: it compares linear models, and the complete "
                "pooling's standard errors are clustered by group."
            )


def _mixed_text(
    parsed: ParsedFormula, group: str | None, slopes: str | Sequence[str] | None
) -> str:
    """Return the formula of partial pooling."""
    if parsed.bars:
        if group is not None or slopes is not None:
            raise OptionError(
                "the formula has a random part already; drop group= and slopes=, or the bar."
            )
        names = {bar.group_name for bar in parsed.bars}
        if len(names) > 1:
            raise NotSupportedError(
                f"compare_pooling takes one grouping factor; the formula has {sorted(names)}."
            )
        return parsed.text
    if group is None:
        raise OptionError("say by which column: compare_pooling('math ~ ses', df, group='school').")
    if not isinstance(group, str):
        raise OptionError(f"group must be a column name; got {brief(group)}.")
    terms = [slopes] if isinstance(slopes, str) else list(slopes or ())
    inside = " + ".join(["1", *terms])
    name = group if group.startswith("`") else quote_name(group)
    return f"{parsed.text} + ({inside} | {name})"


def _check_partial(partial: LinearMixedModel) -> None:
    names = [name for r in partial.design.random for name in r.z.names]
    groups = sorted({r.group for r in partial.design.random})
    if len(groups) > 1:
        raise NotSupportedError(
            f"compare_pooling takes one grouping factor; the model has {groups}."
        )
    if not names or names[0] != "(Intercept)":
        raise NotSupportedError(
            "compare_pooling needs groups that differ in their intercepts, as in (1 | g) or "
            "(x | g)."
        )
    if not partial.design.X.intercept:
        raise NotSupportedError("compare_pooling needs a formula with an intercept.")


def _complete(partial: LinearMixedModel, group: str) -> LinearModel:
    kept = ("weights", "offset", "contrasts", "subset", "na_action", "context")
    options = {k: v for k, v in partial.arguments.items() if k in kept}
    formula = partial.formula
    assert formula.response is not None
    parts = [formula.fixed.text or "1", *(f"offset({o.text})" for o in formula.offsets)]
    text = f"{formula.response.text} ~ {' + '.join(parts)}"
    with warnings.catch_warnings():
        # The mixed model has said what was left out; few clusters are said below the table.
        warnings.simplefilter("ignore", MissingDataWarning)
        warnings.simplefilter("ignore", FewClustersWarning)
        model = fit(text, partial.design.frame, **options, cluster=unquote_name(group))
    assert isinstance(model, LinearModel)
    return model


# --- tables -------------------------------------------------------------------------------------


def _coefficients(
    complete: LinearModel, no: NoPooling, partial: LinearMixedModel, group: str
) -> ResultFrame:
    plain = np.sqrt(np.diag(complete.vcov("const")))
    shared = no.shared()
    frame = pd.DataFrame({"Parameter": partial.names, "Label": pretty_names(partial.columns)})
    frame["Complete"] = complete.fixef().reindex(partial.names).to_numpy()
    frame["Complete_SE"] = pd.Series(plain, complete.names).reindex(partial.names).to_numpy()
    frame["Complete_SE_robust"] = complete.se.reindex(partial.names).to_numpy()
    frame["No"] = shared["Estimate"].reindex(partial.names).to_numpy()
    frame["No_SE"] = shared["SE"].reindex(partial.names).to_numpy()
    frame["Partial"] = partial.fixef().to_numpy()
    frame["Partial_SE"] = partial.se.to_numpy()
    own, _ = no.own()
    sds = np.concatenate([b.sd for b in partial.varcorr().blocks])
    rows = [
        {"Parameter": f"SD ({v.strip('()')})", "Complete": 0.0, "No": np.nanstd(own[:, i], ddof=1),
         "Partial": sds[i]}
        for i, v in enumerate(no.varying)
    ]  # fmt: skip
    rows.append(
        {"Parameter": "SD (Residual)", "Complete": complete.sigma, "No": no.sigma,
         "Partial": partial.sigma}
    )  # fmt: skip
    frame = pd.concat([frame, pd.DataFrame(rows)], ignore_index=True)
    frame["Label"] = frame["Label"].fillna(frame["Parameter"])
    return ResultFrame(
        data=frame,
        layout=COEFFICIENTS.with_footers(_coefficient_notes(complete, no, partial, group)),
        metadata={"kind": "compare_pooling", "group": group, "response": _response(partial)},
    )


def _coefficient_notes(
    complete: LinearModel, no: NoPooling, partial: LinearMixedModel, group: str
) -> tuple[str, ...]:
    J = len(no.levels)
    notes = [
        f"{partial.nobs} rows in {J} groups ({group}). CL SE: clustered by {group} (vcovCL).",
        "No pooling: SD of the groups' own estimates; partial pooling: SD of the model.",
    ]
    if J < FEW_CLUSTERS:
        notes.append(f"With fewer than {FEW_CLUSTERS} groups CL SEs tend to be too small.")
    if no.left_out:
        verb = "is" if len(no.left_out) == 1 else "are"
        notes.append(
            f"Without pooling {', '.join(no.left_out)} {verb} not estimable: constant within "
            "groups."
        )
    own, _ = no.own()
    missing = int(np.isnan(own).any(axis=1).sum())
    if missing:
        notes.append(f"{missing} groups have too few rows for coefficients of their own.")
    return tuple(notes)


def _groups(
    complete: LinearModel, no: NoPooling, partial: LinearMixedModel, group: str
) -> ResultFrame:
    own, own_se = no.own()
    q, J = len(no.varying), len(no.levels)
    counts = np.bincount(partial.design.random[0].codes, minlength=J)
    directions = _directions(no, partial)
    totals = _ranef(partial, no) + directions @ partial.fixef().to_numpy()
    given = {(group, name): directions[:, c] for c, name in enumerate(no.varying)}
    errors = total_standard_errors(partial, given)[group]
    trust = reliability(partial).to_pandas()
    pooled = directions @ complete.fixef().reindex(partial.names).fillna(0.0).to_numpy()
    frame = pd.DataFrame(
        {
            "Group": group,
            "Level": np.repeat(np.array(no.levels, dtype=object), q),
            "n": np.repeat(counts, q),
            "Parameter": list(no.varying) * J,
            "Complete": pooled.ravel(),
            "No": own.ravel(),
            "No_SE": own_se.ravel(),
            "Partial": totals.ravel(),
            "Partial_SE": errors.loc[list(no.levels), list(no.varying)].to_numpy().ravel(),
            "Reliability": trust["Reliability"].to_numpy(),
        }
    )
    layout = GROUPS if q > 1 else GROUPS.without("Parameter")
    return ResultFrame(
        data=frame,
        layout=layout,
        metadata={"kind": "compare_pooling", "group": group, "response": _response(partial)},
    )


def _directions(no: NoPooling, partial: LinearMixedModel) -> FloatArray:
    """Return how each group's own coefficients depend on beta: shape (J, q, p).

    The fixed effect of the same name, plus what predictors that are constant within groups add
    (Gelman & Hill 2007, eq. 12.3): only then is it what no pooling estimates.
    """
    J, q = len(no.levels), len(no.varying)
    names = partial.names
    out = np.zeros((J, q, len(names)))
    for c, name in enumerate(no.varying):
        if name in names:
            out[:, c, names.index(name)] = 1.0
    for d, name in enumerate(no.left_out):
        out[:, :, names.index(name)] += no.loadings[:, :, d]
    return out


def _ranef(partial: LinearMixedModel, no: NoPooling) -> FloatArray:
    (frame,) = partial.ranef().values()
    return frame.loc[list(no.levels), list(no.varying)].to_numpy(dtype=np.float64)


def _response(m: FittedModel) -> str:
    return str(m.design.response_name)
