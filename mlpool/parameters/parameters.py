"""`model_parameters`: the table of a model's coefficients and random effects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from mlpool.errors import NotSupportedError, OptionError
from mlpool.hypotheses.linear_combinations import read_covariance
from mlpool.inference.p_adjust import adjust_p, adjustment_note
from mlpool.inference.profiles.lmm import ProfileIntervals
from mlpool.keywords import InferenceSpellings
from mlpool.models import MixedModel, ResidualModel
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt
from mlpool.parameters.argument_checks import (
    DEFAULT_LEVEL,
    MIXED,
    check_flags,
    of_tests,
    refuse_elsewhere,
)
from mlpool.parameters.bootstrap import BootstrapTable, bootstrap_table
from mlpool.parameters.fixed import FixedEffects, fixed_effects
from mlpool.parameters.grouplevel import group_level_frame, group_level_layout
from mlpool.parameters.headers import coefficient_header, method_notes, solver_notes
from mlpool.parameters.model_footer import info_lines
from mlpool.parameters.parameters_table import FIXED, RANDOM, ParametersLayout
from mlpool.parameters.pretty_names import pretty_names
from mlpool.parameters.random import (
    RandomRow,
    bounds_only,
    random_rows,
    residual_rows,
    wald_intervals,
)
from mlpool.parameters.reference_levels import with_references
from mlpool.parameters.request import Request, read_request
from mlpool.parameters.row_selection import keep_rows, split_within_between
from mlpool.refits.likelihood_profiles import profile_bounds
from mlpool.results import ResultFrame
from mlpool.tables import TableOptions

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ClusterLike, SeedLike, VcovArgs, VcovLike


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Rows of the table with their printed names and headings."""

    frame: pd.DataFrame
    labels: tuple[str, ...]
    headings: tuple[str, ...]


_Found = ProfileIntervals | BootstrapTable | None
"""Intervals that belong to both parts of a table."""


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", keywords=InferenceSpellings)
def model_parameters(
    m: FittedModel | ResultFrame,
    *,
    ci: float | None = 0.95,
    ci_method: str | None = None,
    vcov: VcovLike | None = None,
    vcov_args: VcovArgs | None = None,
    cluster: ClusterLike | None = None,
    effects: str = "all",
    exponentiate: bool | str = False,
    bootstrap: bool = False,
    iterations: int = 1000,
    seed: SeedLike | None = None,
    digits: int = 2,
    ci_digits: int | None = None,
    p_digits: int | str = 3,
    select: str | list[str] | tuple[str, ...] | None = None,
    zap_small: bool = False,
    ci_random: bool | None = None,
    group_level: bool = False,
    include_reference: bool = False,
    include_info: bool = False,
    summary: bool = False,
    wb_component: bool = False,
    p_adjust: str | None = None,
    verbose: bool = False,
    keep: str | list[str] | None = None,
    drop: str | list[str] | None = None,
    table_width: int | None = None,
    standardize: str | None = None,
    **spellings: Unpack[InferenceSpellings],
) -> ResultFrame:
    """Return the table of a model's parameters, as R's easystats prints it.

    Parameters
    ----------
    m : FittedModel
        From ``lm``, ``glm``, ``lmer`` or ``fit``; or the table of :func:`anova` of one, which gets
        partial eta, omega and epsilon squared with intervals (see :func:`eta_squared`).
    ci : float or None
        Confidence level; None for no intervals.
    ci_method : str, optional
        Degrees of freedom and intervals. ``lm``: ``"residual"`` (default) or ``"normal"``. ``glm``:
        ``"profile"`` (default) or ``"wald"``. ``lmer``: ``"residual"`` (default, as easystats
        without lmerTest), ``"normal"``, ``"satterthwaite"``, ``"kenward"`` (also adjusts the SEs),
        ``"profile"`` (intervals only, of the random effects too). ``glmer``: ``"wald"`` (default)
        or ``"profile"``.
    vcov : str or matrix, optional
        Robust standard errors: ``"HC3"``, ``"vcovCL"``, ``"CR2"`` ... The df stay as they are.
    vcov_args : dict, optional
        R's spelling of `cluster`: ``{"cluster": "school"}``.
    cluster : str, Series, array or list, optional
        Clusters of robust standard errors.
    effects : {"all", "fixed", "random"}
    exponentiate : bool or "nongaussian"
        Odds ratios, rate ratios. Standard errors by the delta method; never the random effects.
    bootstrap : bool
        Medians, percentile intervals and p-values of the coefficients, and intervals of the random
        effects' SDs and correlations: from resampled rows (``lm``, ``glm``) or simulated responses
        (mixed models). :func:`mlpool.bootstrap` has more kinds.
    iterations, seed : int
        Number of replicates; their seed.
    digits, ci_digits, p_digits, select, zap_small, table_width
        How to print; see :class:`mlpool.tables.TableOptions`.
    ci_random : bool, optional
        Wald standard errors and intervals of the random effects' SDs and correlations.
    group_level : bool
        With ``effects="random"``: the random effects of every level instead.
    include_reference : bool
        Show reference levels of factors.
    include_info : bool
        Lines about the whole model below the table (`summary` is an alias).
    wb_component : bool
        Tables of their own for terms called ``*_within`` and ``*_between``.
    p_adjust : str, optional
        ``"holm"``, ``"bonferroni"``, ``"fdr"``, ``"hochberg"``, ``"hommel"``, ``"by"``; the family
        is the coefficients shown, after `keep` and `drop`, as in R.
    verbose : bool
        Print the notes on the method, too.
    keep, drop : str or list of str, optional
        Regular expressions: rows whose raw name matches are kept, or left out.
    standardize : str, optional
        R's argument, refused in a sentence: :func:`standardize_parameters` does it.
    **spellings
        Other names of options: ``ddf=``, ``cov_type=`` ... (see the table of options).

    Returns
    -------
    ResultFrame
        Columns Parameter, Coefficient, SE, CI, CI_low, CI_high, t or z, df_error, p; for mixed
        models also Effects and Group.

    Raises
    ------
    OptionError
        For an unknown or impossible option.
    NotSupportedError
        For a method that this kind of model does not have.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(mlpool.model_parameters(m, effects="fixed"))
    # Fixed Effects
    <BLANKLINE>
    Parameter   | Coefficient |   SE |           95% CI | t(174) |      p
    ---------------------------------------------------------------------
    (Intercept) |      251.41 | 6.82 | [237.94, 264.87] |  36.84 | < .001
    Days        |       10.47 | 1.55 | [  7.42,  13.52] |   6.77 | < .001
    """
    if isinstance(m, ResultFrame):
        return of_tests(m, ci)
    check_model(m, "model_parameters()")
    refuse_elsewhere(standardize=standardize)
    options = TableOptions().updated(
        digits=digits, ci_digits=ci_digits, p_digits=p_digits, select=select,
        zap_small=zap_small, table_width=table_width,
    )  # fmt: skip
    check_flags(bootstrap=bootstrap, group_level=group_level, include_info=include_info,
                 summary=summary, include_reference=include_reference, verbose=verbose,
                 wb_component=wb_component)  # fmt: skip
    request = read_request(
        m, read_covariance(m, vcov, cluster, vcov_args), ci_method, bootstrap=bootstrap, seed=seed,
        effects=effects, exponentiate=exponentiate, p_adjust=p_adjust, ci_random=ci_random, ci=ci,
        iterations=iterations, include_reference=include_reference, wb_component=wb_component,
    )  # fmt: skip
    table = (_group_level_table if group_level else _table)(m, request, options, keep, drop)
    return _with_footers(table, m, request, include_info or summary, verbose)


def _table(
    m: FittedModel, request: Request, options: TableOptions, keep: object, drop: object
) -> ResultFrame:
    """Return the table of fixed and random parts, without footers."""
    if request.effects == "random" and not isinstance(m, MixedModel | ResidualModel):
        raise NotSupportedError(f"effects='random' needs a mixed model; {m.kind} models have none.")
    found = _profile(m, request) or _bootstrap(m, request)
    parts, statistic = [], ""
    if request.effects != "random":
        part, statistic = _fixed_part(m, request, found)
        parts.append(part)
    if isinstance(m, MixedModel) and request.effects != "fixed":
        parts.append(_random_part(m, request, found))
    if isinstance(m, ResidualModel) and request.effects != "fixed":
        parts.append(_residual_part(m, request))
    frame = pd.concat([p.frame for p in parts], ignore_index=True) if parts[1:] else parts[0].frame
    labels = tuple(label for part in parts for label in part.labels)
    headings = tuple(heading for part in parts for heading in part.headings)
    frame, kept = keep_rows(frame, keep, drop)
    if "p" in frame:
        # the family is what the reader sees: R, too, adjusts after rows are chosen
        frame["p"] = adjust_p(frame["p"].to_numpy(dtype=np.float64), request.p_adjust)
    layout = ParametersLayout(
        labels=tuple(labels[i] for i in kept),
        headings=tuple(headings[i] for i in kept),
        coefficient=coefficient_header(m, request.exponentiate),
        statistic=statistic,
        level=request.level,
        shows_empty_interval=request.effects == "random",
    )
    return ResultFrame(
        data=frame,
        layout=layout,
        options=options,
        notes=() if request.effects == "random" else _notes(m, request, found),
        metadata=_metadata(m, request),
        backend=_backend(m),
    )


def _profile(m: FittedModel, request: Request) -> ProfileIntervals | None:
    """Return a mixed model's profile intervals, computed once for both parts."""
    if m.kind not in MIXED or request.ci_method != "profile":
        return None
    return profile_bounds(m, request.level or DEFAULT_LEVEL)


def _bootstrap(m: FittedModel, request: Request) -> BootstrapTable | None:
    """Return bootstrapped parameters, drawn once for both parts."""
    if request.ci_method != "bootstrap":
        return None
    return bootstrap_table(m, request.iterations, request.seed, request.level or DEFAULT_LEVEL)


def _notes(m: FittedModel, request: Request, found: _Found) -> tuple[str, ...]:
    notes = method_notes(m, request.ci_method, request.exponentiate, request.covariance)
    return (*notes, *found.notes) if isinstance(found, BootstrapTable) else notes


def _fixed_part(m: FittedModel, request: Request, found: _Found) -> tuple[_Part, str]:
    """Return the coefficients' rows and the statistic's name."""
    names = [column.name for column in m.columns]
    labels = pretty_names(m.columns)
    if isinstance(found, BootstrapTable):
        frame, statistic = _bootstrap_frame(found, names, request), ""
    else:
        level = request.level or DEFAULT_LEVEL
        result = fixed_effects(m, level, request.ci_method, request.covariance, found)
        frame, statistic = _wald_frame(names, result, request), result.statistic
    if m.kind in (*MIXED, "gls"):
        frame["Effects"] = "fixed"
        if request.effects == "all":
            frame["Group"] = ""
    if request.include_reference:
        frame, labels = with_references(m, frame, labels, float(request.exponentiate))
    heading = FIXED if m.kind in (*MIXED, "gls") else ""
    headings = (heading,) * len(frame)
    if request.wb_component:
        frame, labels, headings = split_within_between(frame, labels, heading)
    return _Part(frame=frame, labels=labels, headings=headings), statistic


def _wald_frame(names: list[str], result: FixedEffects, request: Request) -> pd.DataFrame:
    table = result.table
    b, se, low, high = table.estimate, table.se, table.low, table.high
    if request.exponentiate:
        with np.errstate(over="ignore"):  # exp of a huge coefficient is infinite, as in R
            b, low, high = np.exp(b), np.exp(low), np.exp(high)
            se = b * se
    columns: dict[str, object] = {"Parameter": names, "Coefficient": b, "SE": se}
    if request.level is not None:
        columns |= {"CI": request.level, "CI_low": low, "CI_high": high}
    columns |= {
        result.statistic: table.statistic,
        "df_error": table.df,
        "p": table.p,
    }
    return pd.DataFrame(columns)


def _bootstrap_frame(draws: BootstrapTable, names: list[str], request: Request) -> pd.DataFrame:
    b, low, high = draws.estimate, draws.low, draws.high
    if request.exponentiate:
        b, low, high = np.exp(b), np.exp(low), np.exp(high)
    columns: dict[str, object] = {"Parameter": names, "Coefficient": b}
    if request.level is not None:
        columns |= {"CI": request.level, "CI_low": low, "CI_high": high}
    return pd.DataFrame({**columns, "p": draws.p})


def _random_part(m: MixedModel, request: Request, found: _Found) -> _Part:
    intervals = None
    if isinstance(found, BootstrapTable):
        intervals = found.random
    elif found is not None:
        intervals = bounds_only(found)
    elif request.ci_random:
        intervals = wald_intervals(m, request.level or DEFAULT_LEVEL)
    rows = random_rows(m, intervals)
    return _covariance_part(rows, (RANDOM,) * len(rows), ["random"] * len(rows), request)


def _residual_part(m: ResidualModel, request: Request) -> _Part:
    """Return random effects, residual correlation and dispersion."""
    level = (request.level or DEFAULT_LEVEL) if request.ci_random else None
    found = residual_rows(m, level)
    headings = tuple(one.heading or RANDOM for one in found)
    effects = [h.removeprefix("Residual ").removesuffix(" Effects").lower() for h in headings]
    return _covariance_part([one.row for one in found], headings, effects, request)


def _covariance_part(
    rows: list[RandomRow], headings: tuple[str, ...], effects: list[str], request: Request
) -> _Part:
    columns: dict[str, object] = {
        "Parameter": [row.name for row in rows],
        "Coefficient": [row.estimate for row in rows],
        "SE": [row.se for row in rows],
    }
    if request.level is not None:
        columns |= {
            "CI": request.level,
            "CI_low": [row.low for row in rows],
            "CI_high": [row.high for row in rows],
        }
    groups = [row.group for row in rows]
    frame = pd.DataFrame({**columns, "Effects": effects, "Group": groups})
    return _Part(frame=frame, labels=tuple(row.printed for row in rows), headings=headings)


def _group_level_table(
    m: FittedModel, request: Request, options: TableOptions, keep: object, drop: object
) -> ResultFrame:
    """Return the random effects of every level, without footers."""
    if request.effects != "random" or not isinstance(m, MixedModel):
        raise OptionError("group_level=True needs a mixed model and effects='random'.")
    frame, _ = keep_rows(group_level_frame(m, request.level), keep, drop)
    return ResultFrame(
        data=frame,
        layout=group_level_layout(frame, request.level),
        options=options,
        metadata=_metadata(m, request),
        backend=_backend(m),
    )


def _backend(m: FittedModel) -> str:
    """Return the package that the model's data came from."""
    return type(m.design.frame.native).__module__.partition(".")[0]


def _with_footers(
    table: ResultFrame, m: FittedModel, request: Request, include_info: bool, verbose: bool
) -> ResultFrame:
    """Return the table with the lines asked for below it."""
    footers = [adjustment_note(request.p_adjust)] if request.effects != "random" else []
    footers += info_lines(m) if include_info else ()
    footers += table.notes if verbose else ()
    footers += solver_notes(m)
    lines = tuple(line for line in footers if line)
    assert isinstance(table.layout, ParametersLayout)
    table = replace(table, layout=replace(table.layout, footers=lines))
    if table.options.select is not None:
        table.table()  # an unknown column is told here, not when it is printed
    return table


def _metadata(m: FittedModel, request: Request) -> dict[str, object]:
    return {
        "kind": m.kind,
        "formula": m.formula.text,
        "response": m.design.response_name,
        "family": None if m.family is None else str(m.family),
        "nobs": m.nobs,
        "ngroups": dict(m.ngroups),
        "reml": m.reml,
        "ci": request.level,
        "ci_method": request.ci_method,
        "vcov": request.covariance.label,
        "exponentiate": request.exponentiate,
        "p_adjust": request.p_adjust,
    }
