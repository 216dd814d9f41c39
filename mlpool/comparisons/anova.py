"""`anova`: tests of the terms of one model, or of several models against each other."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlpool.comparisons.argument_checks import check_same_data
from mlpool.comparisons.bootstrap_test import bootstrap_table
from mlpool.comparisons.deviance_table import check_f, deviance_table
from mlpool.comparisons.fixed_effects_tests import fixed_effects_table
from mlpool.comparisons.models_table import (
    deviances_table,
    least_squares_table,
    likelihood_table,
)
from mlpool.comparisons.terms_table import (
    ROMAN,
    Table,
    check_has_terms,
    lm_table,
    lmer_table,
    sequential_table,
    wald_chisq_table,
)
from mlpool.comparisons.tests_table import DIGITS
from mlpool.errors import OptionError, brief, nearest_names
from mlpool.hypotheses.joint_tests import joint_inference
from mlpool.models import GeneralizedLinearModel
from mlpool.models.argument_checks import backend_of, check_model, name_models
from mlpool.models.fit import as_bool
from mlpool.models.fitted import FittedModel
from mlpool.option_spellings import also_spelt, read_value
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.typing import ClusterLike, SeedLike, VcovArgs, VcovLike

_TYPES = {"1": 1, "i": 1, "2": 2, "ii": 2, "3": 3, "iii": 3}
_DEFAULT_TYPE = {"lm": 1, "glm": 1, "lmer": 3, "glmer": 2, "gls": 3}
_DDF = ("satterthwaite", "kenward", "residual", "wald", "normal", "lme4")


@also_spelt("ci_method", "vcov", "cluster", "vcov_args", "test")
def anova(
    *models: FittedModel | Mapping[str, FittedModel],
    type: str | int | None = None,
    ddf: str | None = None,
    test: str | None = None,
    vcov: VcovLike | None = None,
    cluster: ClusterLike | None = None,
    vcov_args: VcovArgs | None = None,
    refit: bool = True,
    boundary: bool = False,
    names: Iterable[str] | None = None,
    bootstrap: int | None = None,
    seed: SeedLike | None = None,
    ci_method: str | None = None,
    df_method: str | None = None,
    cov_type: VcovLike | None = None,
    clusters: ClusterLike | None = None,
    cov_kwds: VcovArgs | None = None,
    test_statistic: str | None = None,
    **named_models: FittedModel,
) -> ResultFrame:
    """Test each term of the fixed part of one model, or several models against each other.

    Parameters
    ----------
    *models : FittedModel or dict
        One model, or several of the same data: lm (F tests) and glm (analysis of deviance) in the
        order given, models with random effects by their number of parameters (likelihood-ratio
        tests, as lme4), also beside an lm or glm.
    type : {"I", "II", "III", 1, 2, 3}, optional
        I: each term beyond those before it; II: beyond all that do not contain it; III: as if no
        other term were about it. Default as in R: I for lm and glm, III for lmer (lmerTest), II for
        glmer (car). Type III of lmer does not depend on how factors are coded; that of other models
        (car's) does, and the table says so where it matters. A term of whose columns others leave
        nothing has 0 df in II and III.
    ddf : {"Satterthwaite", "Kenward-Roger", "lme4", "residual", "normal"}, optional
        Denominator df of lmer, ``"Satterthwaite"`` by default; ``"lme4"`` gives lme4's sequential
        table without p-values. Beside a CR covariance ``"Satterthwaite"`` is clubSandwich's HTZ
        test. Of several lmer models with the same random effects, F tests of the fixed effects
        of each within the next (pbkrtest's ``KRmodcomp`` and ``SATmodcomp``).
    test : {"F", "Chisq"}, optional
        For glm "Chisq" (likelihood-ratio tests) where the dispersion is known, else "F". For linear
        models ``"Chisq"`` leaves denominator df out.
    vcov, cluster, vcov_args
        As in :func:`mlpool.model_parameters`; a glm is then tested by Wald tests.
    refit : bool
        Compare REML fits by ML (lme4's default); False compares their REML likelihoods, which needs
        the same fixed effects.
    boundary : bool
        Print p-values by the chi-square mixtures that hold for variance components beside the naive
        ones; column ``p_boundary`` has them in any case.
    names : list of str, optional
        Names of the models.
    bootstrap : int, optional
        Of two models, the larger of lmer, glmer or gls: responses to simulate from the smaller and
        to fit by both (pbkrtest's ``PBmodcomp``). The p-value is the share of likelihood ratios
        that are as large, ``(1 + count) / (1 + bootstrap)``; it holds in small samples and for
        variances, too.
    seed : int, SeedSequence or Generator, optional
        Of `bootstrap`.
    ci_method, df_method, cov_type, clusters, cov_kwds, test_statistic
        Other names of `ddf`, `vcov`, `cluster`, `vcov_args` and `test`.
    **named_models : FittedModel
        ``anova(null=m0, ses=m1)``.

    Returns
    -------
    ResultFrame
        One model: Parameter, df and, as far as the kind of table has them, Sum_Squares,
        Mean_Square, df_error, F, Chi2, Deviance, p. Several: Name, then npar, AIC, BIC, logLik,
        deviance, Chi2, df, p, p_boundary; or df_residual, RSS or Deviance_residual, df, F, p; or
        with `ddf` df, df_error, F, p. With `bootstrap` the rows ``LRT`` and ``PBtest`` with Chi2,
        df, p.

    Raises
    ------
    OptionError
        For unknown options, ones that exclude each other, or REML likelihoods of models with
        different fixed effects.
    DataError
        If several models are not of the same rows, response, weights and family.
    NotSupportedError
        If type III of a mixed model would need too many cells.

    Examples
    --------
    >>> import mlpool
    >>> cake = mlpool.load_data("cake")
    >>> m = mlpool.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    >>> anova(m, type="II")[["Parameter", "df", "F"]].round(2)
         Parameter  df      F
    0       recipe   2   0.10
    1         temp   1  94.16
    2  recipe:temp   2   0.04
    """
    _check_named(named_models)
    robust = (vcov, cluster, vcov_args)
    is_one = len(models) + len(named_models) == 1
    if is_one and not (models and isinstance(models[0], Mapping)):
        _check_no_bootstrap(bootstrap, seed)
        m = check_model([*models, *named_models.values()][0], "anova()")
        number = _read_type(m, type)
        table, extra = _one_model(m, number, ddf, test, robust), {"type": ROMAN[number]}
    else:
        if type is not None or any(v is not None for v in robust):
            raise OptionError(
                "type=, vcov= and cluster= are for the terms of one model; for a robust test "
                "between models use linear_hypothesis(larger, ...)."
            )
        chosen = name_models(models, names, named_models, "anova()")
        check_same_data(chosen, "anova()")
        m = next(iter(chosen.values()))
        how = as_bool(refit, "refit"), as_bool(boundary, "boundary")
        table = _several_models(chosen, test, ddf, *how, (bootstrap, seed))
        extra = {"models": ", ".join(chosen)}
    return ResultFrame(
        data=table.data,
        layout=table.layout,
        options=DIGITS,
        metadata={"kind": m.kind, "method": table.method, "vcov": table.covariance, **extra},
        backend=backend_of(m),
    )


def _check_named(given: Mapping[str, object]) -> None:
    """Refuse named arguments that are no models: a misspelt option is none.

    Raises
    ------
    OptionError
    """
    own = inspect.signature(anova).parameters
    known = [n for n, p in own.items() if p.kind is p.KEYWORD_ONLY]
    for name, m in given.items():
        if not isinstance(m, FittedModel):
            raise OptionError(
                f"anova() has no argument {brief(name)}, and {brief(m)} is no fitted model."
                + nearest_names(name, known)
            )


def _check_no_bootstrap(bootstrap: object, seed: object) -> None:
    """Refuse to simulate for the terms of one model.

    Raises
    ------
    OptionError
    """
    if bootstrap is not None or seed is not None:
        raise OptionError("bootstrap= compares two models: anova(smaller, larger, bootstrap=1000).")


def _check_ml_ratio(test: str | None, ddf: str | None, refit: bool, boundary: bool) -> None:
    """Refuse options that a simulated likelihood ratio has no use for.

    Raises
    ------
    OptionError
    """
    if test is not None:
        test = read_value("test", test, ("F", "Chisq"))
    asked = {
        "test='F'": test == "F", "ddf=": ddf is not None, "refit=False": not refit,
        "boundary=True": boundary,
    }  # fmt: skip
    for option in (name for name, given in asked.items() if given):
        raise OptionError(
            f"bootstrap= simulates likelihood ratios of fits by ML, so {option} has no meaning "
            "beside it; drop one of them."
        )


def _several_models(
    models: dict[str, FittedModel],
    test: str | None,
    ddf: str | None,
    refit: bool,
    boundary: bool,
    drawn: tuple[int | None, SeedLike | None],
) -> Table:
    bootstrap, seed = drawn
    if bootstrap is not None:
        _check_ml_ratio(test, ddf, refit, boundary)
        return bootstrap_table(models, bootstrap, seed)
    if seed is not None:
        raise OptionError("seed= is for the simulated responses of bootstrap=1000.")
    if test is not None:
        read_value("test", test, ("F", "Chisq"))
    method = _read_ddf(next(iter(models.values())), ddf)
    if method is not None and test == "Chisq":
        raise OptionError(f"test='Chisq' has no denominator df; drop ddf={brief(ddf)}.")
    if method is not None:
        return fixed_effects_table(models, method)
    kinds = {m.kind for m in models.values()}
    if kinds == {"lm"} and test != "Chisq":
        return least_squares_table(models)
    if kinds == {"glm"}:
        first: Any = next(iter(models.values()))
        if test == "F":
            check_f(first)
        return deviances_table(models, test or ("F" if first.family.has_dispersion else "Chisq"))
    if test == "F":
        raise OptionError("Models with random effects are compared by test='Chisq'.")
    return likelihood_table(models, refit=refit, boundary=boundary)


def _one_model(
    m: FittedModel, type_: int, ddf: str | None, test: str | None, robust: tuple[Any, Any, Any]
) -> Table:
    is_robust = any(v is not None for v in robust) or m.vcov_choice is not None
    if test is not None:
        read_value("test", test, ("F", "Chisq"))
    if isinstance(m, GeneralizedLinearModel) and not is_robust:
        if test == "F":
            check_f(m)
        default = "F" if m.family.has_dispersion else "Chisq"
        return deviance_table(m, type_, test or default)
    method = _read_ddf(m, ddf)
    if test == "Chisq":
        if method not in (None, "normal"):
            raise OptionError(f"test='Chisq' has no denominator df; drop ddf={brief(ddf)}.")
        method = "normal"
    if method == "lme4":
        return sequential_table(m, joint_inference(m, vcov="model", ci_method="residual"))
    vcov, cluster, vcov_args = robust
    how = joint_inference(m, vcov=vcov, cluster=cluster, vcov_args=vcov_args, ci_method=method)
    if test == "F" and not how.is_f:
        raise OptionError(f"A {m.kind} model has no denominator df; use test='Chisq'.")
    if m.kind == "lm":
        check_has_terms(m)
        return lm_table(m, how, type_)
    return (
        lmer_table(m, how, type_) if m.kind in ("lmer", "gls") else wald_chisq_table(m, how, type_)
    )


def _read_type(m: FittedModel, type: str | int | None) -> int:
    if type is None:
        return _DEFAULT_TYPE[m.kind]
    found = _TYPES.get(str(type).lower()) if not isinstance(type, bool) else None
    if found is None:
        raise OptionError(f"type must be 'I', 'II' or 'III' (or 1, 2, 3); got {brief(type)}.")
    return found


def _read_ddf(m: FittedModel, ddf: str | None) -> str | None:
    if ddf is None:
        return None
    found = read_value("ci_method", ddf, _DDF, argument="ddf")
    if found == "lme4" and m.kind != "lmer":
        raise OptionError(f"ddf='lme4' is for lmer models; this is a {m.kind} model.")
    return found
