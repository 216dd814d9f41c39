"""The models that are saved and loaded in tests: one of every kind and of every odd part."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import mlpool

HSB = mlpool.load_data("hsb82")
SLEEP = mlpool.load_data("sleepstudy")
CBPP = mlpool.load_data("cbpp")
CAKE = mlpool.load_data("cake")
PASTES = mlpool.load_data("Pastes")
PENICILLIN = mlpool.load_data("Penicillin")


def _counts() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    mean = np.exp(0.5 + 0.4 * x + rng.normal(0, 0.5, 12)[group])
    return pd.DataFrame(
        {
            "y": rng.poisson(mean * rng.gamma(2.0, 0.5, 120)), "x": x, "g": group.astype(str),
            "time": rng.uniform(1, 3, 120), "size": rng.gamma(3.0, mean / 3), "w": 1.0 + (x > 0),
            "k": np.tile(list("abcde"), 24),
        }
    )  # fmt: skip


COUNTS = _counts()
DOSED = SLEEP.assign(z=np.where(SLEEP["Subject"].astype(int) % 2 == 0, "a", "b"))
GAPS = SLEEP.assign(Days=SLEEP["Days"].where(SLEEP.index % 7 != 0))
ODD = pd.DataFrame({"score %": [1.0, 2.0, 4.0, 3.0], "female ": ["a", "b", "a", "b"]})


def double(x: Any) -> Any:
    return 2.0 * x


CONTEXT = {"double": double, "half": 0.5}

Case = tuple[Callable[[], Any], pd.DataFrame]

CASES: dict[str, Case] = {
    "lm": (lambda: mlpool.lm("math ~ ses * gender + meanses", HSB), HSB),
    "lm_transforms": (
        lambda: mlpool.lm("log(math + 4) ~ poly(ses, 3) + scale(meanses) + bs(student, 4)", HSB),
        HSB,
    ),
    "lm_contrasts": (
        lambda: mlpool.lm("angle ~ recipe * temperature", CAKE, contrasts={"recipe": "sum"}),
        CAKE,
    ),
    "lm_weights": (lambda: mlpool.lm("y ~ 0 + x", COUNTS, weights="w"), COUNTS),
    "lm_cluster": (lambda: mlpool.lm("math ~ ses", HSB, cluster="school", vcov="CR2"), HSB),
    "lm_matrix": (lambda: mlpool.lm("math ~ ses", HSB, vcov=np.diag([0.1, 0.2])), HSB),
    "lm_aliased": (lambda: mlpool.lm("Reaction ~ Days + I(2 * Days)", SLEEP), SLEEP),
    "lm_odd_names": (lambda: mlpool.lm("`score %` ~ `female `", ODD), ODD),
    "lm_dot": (lambda: mlpool.lm("strength ~ .", PASTES[["strength", "cask"]]), PASTES),
    "lm_context": (
        lambda: mlpool.lm("Reaction ~ double(Days) + I(Days * half)", SLEEP, context=CONTEXT),
        SLEEP,
    ),
    "lm_absorbed": (lambda: mlpool.lm("math ~ ses + school", HSB), HSB),
    "lm_absorbed_slopes": (lambda: mlpool.lm("math ~ ses * school", HSB), HSB),
    "glm_binomial": (lambda: mlpool.glm("minority ~ ses + sector", HSB, "binomial"), HSB),
    "glm_counts": (lambda: mlpool.glm("y ~ x + offset(log(time))", COUNTS, "poisson"), COUNTS),
    "glm_gamma": (lambda: mlpool.glm("size ~ x", COUNTS, "Gamma(log)", vcov="HC1"), COUNTS),
    "glm_trials": (
        lambda: mlpool.glm("cbind(incidence, size - incidence) ~ period", CBPP, "binomial"),
        CBPP,
    ),
    "lmer": (lambda: mlpool.lmer("math ~ ses + gender + (1 | school)", HSB), HSB),
    "lmer_slope": (lambda: mlpool.lmer("math ~ ses + (ses | school)", HSB), HSB),
    "lmer_ml": (
        lambda: mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, REML=False),
        SLEEP,
    ),
    "lmer_independent": (lambda: mlpool.lmer("Reaction ~ Days + (Days || Subject)", SLEEP), SLEEP),
    "lmer_nested": (lambda: mlpool.lmer("strength ~ 1 + (1 | batch / cask)", PASTES), PASTES),
    "lmer_crossed": (
        lambda: mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", PENICILLIN),
        PENICILLIN,
    ),
    "lmer_weights": (lambda: mlpool.lmer("size ~ x + (1 | g)", COUNTS, weights="w"), COUNTS),
    "lmer_subset": (
        lambda: mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, subset="Days > 1"),
        SLEEP,
    ),
    "lmer_missing": (lambda: mlpool.lmer("Reaction ~ Days + (1 | Subject)", GAPS), SLEEP),
    "lmer_robust": (
        lambda: mlpool.fit("math ~ ses + (1 | school)", HSB, vcov="CR2", cluster="school"),
        HSB,
    ),
    "lmer_statsmodels": (
        lambda: mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, engine="statsmodels"),
        SLEEP,
    ),
    "lmer_log": (lambda: mlpool.lmer("log(Reaction) ~ Days + (1 | Subject)", SLEEP), SLEEP),
    "gls_ar1": (
        lambda: mlpool.gls(
            "Reaction ~ Days * z", DOSED, correlation="ar1(Days | Subject)", dispersion="~ z"
        ),
        DOSED,
    ),
    "gls_nugget": (
        lambda: mlpool.gls(
            "Reaction ~ Days",
            SLEEP,
            REML=False,
            correlation="corExp(form = ~ Days | Subject, nugget = TRUE)",
        ),
        SLEEP,
    ),
    "mmrm": (
        lambda: mlpool.mmrm("Reaction ~ Days * z + us(Days | Subject)", DOSED.query("Days < 4")),
        DOSED,
    ),
    "lmer_ar1": (
        lambda: mlpool.lmer(
            "Reaction ~ Days + (1 | Subject)", SLEEP, correlation="ar1(Days | Subject)"
        ),
        SLEEP,
    ),
    "lme_unequal": (
        lambda: mlpool.lme(
            "Reaction ~ Days",
            DOSED,
            random="~ Days | Subject",
            weights="varIdent(form = ~ 1 | z)",
        ),
        DOSED,
    ),
    "glmer": (
        lambda: mlpool.glmer(
            "cbind(incidence, size - incidence) ~ period + (1 | herd)", CBPP, "binomial"
        ),
        CBPP,
    ),
    "glmer_single_trials": (
        lambda: mlpool.glmer("I(y > 2) ~ x + (1 | g)", COUNTS, "binomial", nAGQ=5),
        COUNTS,
    ),
    "glmer_poisson": (lambda: mlpool.glmer("y ~ x + (1 | g)", COUNTS, "poisson"), COUNTS),
    "glmer_nbinom": (lambda: mlpool.glmer("y ~ x + (1 | g)", COUNTS, "nbinom2"), COUNTS),
    "glmer_crossed": (
        lambda: mlpool.glmer("y ~ x + (1 | g) + (1 | k)", COUNTS, "poisson"),
        COUNTS,
    ),
    "glmer_robust": (
        lambda: mlpool.glmer("y ~ x + (1 | g)", COUNTS, "poisson", cluster="g", vcov="CR1"),
        COUNTS,
    ),
}


def describe(m: Any, newdata: Any) -> dict[str, Any]:
    """Return everything that a loaded model must give as the saved one did: texts and numbers."""
    told = {
        "print": str(m),
        "summary": str(m.summary()),
        "display": "" if m.kind == "gls" else mlpool.display(m),
        "parameters": str(mlpool.model_parameters(m, include_info=True)),
        "comparison": str(mlpool.compare_parameters(m=m)),
        "performance": str(mlpool.model_performance(m)),
        "html": m._repr_html_(),
        "fixef": m.fixef().to_dict(),
        "se": m.se.to_dict(),
        "criteria": [m.loglik, m.aic, m.bic, _deviance(m), m.sigma, m.df_residual, m.nobs],
        "groups": dict(m.ngroups),
        "messages": list(m.messages),
        "predicted": m.predict(newdata).tolist(),
    }
    told |= _describe_residual(m) if m.kind == "gls" else {}
    return told | (_describe_mixed(m, newdata) if m.is_mixed else {})


def _deviance(m: Any) -> float:
    return float("nan") if m.kind == "gls" and m.reml else float(m.deviance)


def _describe_residual(m: Any) -> dict[str, Any]:
    told = {
        "correlation": m.correlation_parameters().to_dict(),
        "dispersion": m.dispersion_parameters().to_dict(),
        "intervals": str(m.confint()),
        "covariance": str(mlpool.model_parameters(m, effects="random", ci_random=True)),
        "slopes": str(mlpool.estimate_slopes(m, "Days")),
    }
    if m.reml:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mlpool.MlpoolWarning)  # of linear structures
            told["kenward"] = str(mlpool.model_parameters(m, ci_method="kenward"))
    return told


def _describe_mixed(m: Any, newdata: Any) -> dict[str, Any]:
    group = next(iter(m.ngroups))
    stranger = newdata.head(2).assign(**{group: "new"}) if group in newdata else newdata
    told = {
        "ranef": {g: f.to_dict("list") for g, f in m.ranef().items()},
        "cond_sd": {g: f.to_dict("list") for g, f in m.ranef().cond_sd.items()},
        "coef": {g: f.to_dict("list") for g, f in m.coef().items()},
        "varcorr": str(m.varcorr()),
        "theta": m.theta.tolist(),
        "fixed": m.predict(newdata, re_form=False).tolist(),
        "new level": m.predict(stranger, allow_new_levels=True).tolist(),
    }
    if m.family is None or m.family.name in ("binomial", "poisson"):
        told |= {"icc": str(mlpool.icc(m)), "r2": str(mlpool.r2(m))}
    if m.kind == "lmer" and m.vcov_choice is None:
        told["satterthwaite"] = str(m.summary(ddf="satterthwaite"))
        told["random"] = str(mlpool.model_parameters(m, effects="random", ci_random=True))
        if m.reml:
            told["kenward"] = str(mlpool.model_parameters(m, ci_method="kenward"))
    return told
