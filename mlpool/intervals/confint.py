"""`confint`: confidence intervals of all parameters, by three methods."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from mlpool.argument_values import names as given_names
from mlpool.designs.engine_data import is_structured
from mlpool.errors import (
    ConvergenceWarning,
    OptionError,
    SingularFitWarning,
    brief,
    check_option,
    user_level,
)
from mlpool.floating_point import usual_floats
from mlpool.inference.bootstrap_intervals import METHODS
from mlpool.intervals.bootstrap import bootstrap
from mlpool.intervals.parameter_selection import interval_frame, read_level, read_parm
from mlpool.intervals.profile import Profile, profile
from mlpool.intervals.residual import bootstrap_confint, residual_confint
from mlpool.keywords import VcovSpellings
from mlpool.models import FittedModel, ResidualModel
from mlpool.models.argument_checks import GroupCoefficients, group_coefficients
from mlpool.models.extractors.coefficients import require_kind
from mlpool.models.extractors.parameter_names import (
    parameter_names,
    parameter_values,
    random_names,
    random_places,
)
from mlpool.option_spellings import also_spelt
from mlpool.parameters.random import wald_intervals
from mlpool.refits.simulate import KINDS
from mlpool.uncertainty.covariance import coefficient_vcov

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, SeedLike, VcovLike

_METHODS = ("profile", "Wald", "boot")
_ALIASES = {"wald": "Wald", "bootstrap": "boot"}


@also_spelt("vcov", "cluster", keywords=VcovSpellings)
@usual_floats
def confint(
    m: FittedModel | GroupCoefficients,
    parm: object = None,
    level: float = 0.95,
    method: str | None = None,
    *,
    oldNames: bool = True,
    nsim: int = 500,
    boot_type: str = "perc",
    type: str = "parametric",
    seed: SeedLike | None = None,
    n_jobs: int | None = None,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    **spellings: Unpack[VcovSpellings],
) -> pd.DataFrame:
    """Return confidence intervals of a model's parameters (R's ``confint``).

    Parameters
    ----------
    m : FittedModel
    parm : str, int or list, optional
        Names or positions; ``"theta_"`` and ``"beta_"`` for random and fixed ones.
    level : float
    method : {"profile", "Wald", "boot"}, optional
        ``"profile"``: where the likelihood has fallen far enough (the default, but of lm), SDs and
        correlations of random effects included; :func:`mlpool.profile` shows the curves.
        ``"Wald"``: estimate -+ quantile x standard error, t of lm and normal of others; missing for
        random effects, as in lme4 (``model_parameters(m, ci_random=True)`` has some), but of
        models with terms of ``cs()``, ``ar1()`` or ``diag()``, which have no profiles.
        ``"boot"``: :func:`mlpool.bootstrap`.
        Models with a residual structure have Wald intervals by default, those of the covariance
        symmetric on nlme's scales (its ``intervals()``); profiles are of the ML deviance.
        ``lm_list`` has Wald intervals of every group's coefficients.
    oldNames : bool
        lme4's ``.sig01``, ``.sigma``; False: ``sd_(Intercept)|school``, ``sigma``.
    nsim, boot_type, type, seed, n_jobs
        Of ``"boot"``: replicates, kind of interval (``"perc"``, ``"basic"``, ``"norm"``,
        ``"bca"``), kind of bootstrap, seed, processes.
    vcov, cluster
        Of ``"Wald"``: a robust covariance, as :meth:`FittedModel.vcov` takes it.
    **spellings
        ``cov_type=`` and ``clusters=``, other names of `vcov` and `cluster`.

    Returns
    -------
    DataFrame (k, 2)
        Rows by R's names (SDs and correlations, sigma, coefficients), columns ``2.5 %``,
        ``97.5 %``.

    Raises
    ------
    OptionError
        For unknown options, parameters, or options of another method.
    NotSupportedError
        For profiles of ``nAGQ=0``.

    Warns
    -----
    SingularFitWarning
        Naming estimates at the end of their range (profile).
    ConvergenceWarning
        Naming profiles that do not close: their bounds are infinite or missing.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> print(mlpool.confint(m).round(2))
                  2.5 %  97.5 %
    .sig01        26.01   52.94
    .sigma        27.81   34.59
    (Intercept)  231.99  270.82
    Days           8.89   12.05
    """
    own = group_coefficients(m)
    if own is not None:
        return _of_groups(
            own, parm, read_level(level), method, vcov if cluster is None else cluster
        )
    require_kind(m, (*KINDS, "gls"), "confint()")
    assert isinstance(m, FittedModel)
    level = read_level(level)
    if isinstance(m, ResidualModel):
        how = _ALIASES.get(method, method) if method is not None else "Wald"
        if how != "boot":
            return residual_confint(m, parm, level, how, vcov, cluster)
        kind = check_option(boot_type, ("perc", "norm", *METHODS), argument="boot_type")
        drawn = bootstrap(m, nsim, type, seed=seed, n_jobs=n_jobs, cluster=cluster)
        return bootstrap_confint(m, drawn, parm, level, kind)
    how = _read_method(m, method, vcov, cluster)
    if how == "profile":
        found = profile(m, parm, oldNames=oldNames)
        _say(found, level)
        return _about(found.confint(level=level), found.estimate)
    names = parameter_names(m, old=bool(oldNames))
    keep = read_parm(m, names, parm)
    if how == "boot":
        kind = check_option(boot_type, ("perc", "norm", *METHODS), argument="boot_type")
        drawn = bootstrap(m, nsim, type, seed=seed, n_jobs=n_jobs, cluster=cluster)
        table = drawn.confint(level=level, method=kind)
        table.index = pd.Index(names)
        return _about(table.iloc[keep], drawn.estimate.set_axis(names))
    estimate = pd.Series(parameter_values(m), index=names)
    return _about(_wald(m, names, level, vcov, cluster).iloc[keep], estimate)


def _about(table: pd.DataFrame, estimate: pd.Series) -> pd.DataFrame:
    """Return the intervals with the estimates that they are about, which pictures draw."""
    table.attrs["estimate"] = {name: float(estimate[name]) for name in table.index}
    return table


def _of_groups(
    own: GroupCoefficients, parm: object, level: float, method: object, robust: object
) -> pd.DataFrame:
    """Return the intervals of every group's own coefficients.

    Raises
    ------
    OptionError
        For what they do not have.
    """
    if robust is not None or (method is not None and str(method).lower() != "wald"):
        raise OptionError("lm_list has Wald intervals by its own standard errors only.")
    table = own.confint(level)
    if parm is None:
        return table
    known = own.coef().columns.tolist()
    wanted = [check_option(n, known, argument="parm") for n in given_names(parm, "parm")]
    return table[table.index.get_level_values(1).isin(wanted)]


def _read_method(
    m: FittedModel, method: object, vcov: VcovLike | None, cluster: ClusterLike | None
) -> str:
    """Return the method; a robust covariance means Wald.

    Raises
    ------
    OptionError
    """
    name = _ALIASES.get(method, method) if isinstance(method, str) else method
    if name is None:
        is_wald = m.kind == "lm" or vcov is not None or m.vcov_choice is not None
        is_wald = is_wald or is_structured(m.design)
        name = "Wald" if is_wald else "profile"
    how = check_option(name, _METHODS, argument="method")
    if vcov is not None and how != "Wald":
        raise OptionError(f"vcov= goes with method='Wald'; got method={brief(method)}.")
    if cluster is not None and how == "profile":
        raise OptionError("cluster= goes with method='Wald' or method='boot'.")
    return "Wald" if how == "profile" and m.kind == "lm" else how


def _wald(
    m: FittedModel,
    names: list[str],
    level: float,
    vcov: VcovLike | None,
    cluster: ClusterLike | None,
) -> pd.DataFrame:
    V = coefficient_vcov(m, vcov, cluster)
    tail = 0.5 * (1.0 + level)
    quantile = stdtrit(m.df_residual, tail) if m.kind == "lm" else ndtri(tail)
    half = quantile * np.sqrt(np.diag(V))
    beta = np.asarray(m.fit.beta)
    random = np.full((len(random_names(m)), 2), np.nan)
    if is_structured(m.design):
        known = wald_intervals(m, level)
        random = np.array([known[place][1:] for place in random_places(m)])
    bounds = np.vstack([random, np.column_stack([beta - half, beta + half])])
    return interval_frame(names, bounds, level)


def _say(found: Profile, level: float) -> None:
    """Warn of estimates at a boundary and of profiles that do not close."""
    at_boundary = found.boundaries()
    if at_boundary:
        warnings.warn(
            f"The fit is singular: {'; '.join(at_boundary)}. Profiles start at the end of the "
            "range there.",
            SingularFitWarning,
            stacklevel=user_level(),
        )
    open_ends = found.open_ends(level)
    if open_ends:
        text = "; ".join(open_ends)
        warnings.warn(f"{text[0].upper()}{text[1:]}.", ConvergenceWarning, stacklevel=user_level())
