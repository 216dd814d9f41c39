"""Where the things are that R's users type by another name."""

from __future__ import annotations

from mlpool.errors import brief, nearest_names

SIGNPOSTS = {
    # extractors
    "residuals": "resid(m)",
    "REMLcrit": "m.criterion",
    "get_sigma": "sigma(m)",
    "get_residuals": "resid(m)",
    "deviance": "m.deviance",
    "tidy": "m.tidy()",
    "glance": "model_performance(m)",
    "augment": "estimate_expectation(m)",
    "REsim": "estimate_grouplevel(m)",
    "fixed_effects": "fixef(m)",
    "random_effects": "ranef(m)",
    # fits
    "lme": "lmer('y ~ x + (x | g)', data)",
    "gls": "lm('y ~ x', data, vcov='CR2', cluster='g')",
    "glmmTMB": "glmer('y ~ x + (1 | g)', data, family=...)",
    "glmer_nb": "glmer('y ~ x + (1 | g)', data, family='nbinom2')",
    "aov": "anova(lm('y ~ f', data))",
    "t_test": "lm('y ~ f', data)",
    "lmList": "compare_pooling('y ~ x', data, group='g')",
    "allFit": "check_convergence(m)",
    # tests
    "Anova": "anova(m, type=2)",
    "linearHypothesis": "linear_hypothesis(m, 'x = 0')",
    "glht": "estimate_contrasts(m, 'f')",
    "KRmodcomp": "anova(m, ddf='kenward-roger')",
    "SATmodcomp": "anova(m)",
    "PBmodcomp": "bootstrap(m)",
    "bootMer": "bootstrap(m)",
    "rand": "ranova(m)",
    "step": "drop1(m)",
    "eta_squared": "r2(m)",
    "rePCA": "check_singularity(m)",
    # estimates and plots
    "ggpredict": "estimate_relation(m, by='x')",
    "effect": "estimate_means(m, 'f')",
    "Effect": "estimate_means(m, 'f')",
    "allEffects": "estimate_means(m, 'f')",
    "lsmeans": "emmeans(m, 'f')",
    "predictInterval": "estimate_prediction(m)",
    "plot_model": "plot(model_parameters(m))",
    "sjplot": "plot(model_parameters(m))",
    "dotplot": "plot(estimate_grouplevel(m))",
    "qqmath": "plot(estimate_grouplevel(m))",
    # checks
    "cooks_distance": "check_outliers(m)",
    "hatvalues": "check_outliers(m)",
    "influence": "check_outliers(m)",
    "vif": "check_collinearity(m)",
    # tables
    "tab_model": "summary_table(m)",
    "modelsummary": "compare_parameters(a, b)",
    "stargazer": "compare_parameters(a, b)",
    # data
    "relevel": "factor(x, levels=['the reference', ...])",
    "contr_sum": "lm('y ~ f', data, contrasts={'f': 'sum'})",
    "contr_treatment": "lm('y ~ f', data, contrasts={'f': 'treatment'})",
    "scale": "standardize(data)",
}
"""R's name, without dots and capitals as Python can have them: the call that answers here."""


def missing_name(name: str, known: list[str]) -> str:
    """Return the sentence about a name that mlpool does not have.

    Examples
    --------
    >>> missing_name("glht", ["glm"])
    "mlpool has no glht; here it is estimate_contrasts(m, 'f')."
    """
    call = SIGNPOSTS.get(name)
    if call is not None:
        return f"mlpool has no {name}; here it is {call}."
    return f"module 'mlpool' has no attribute {brief(name)}.{nearest_names(name, known)}"
