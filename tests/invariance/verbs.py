"""The table of verbs: how each public verb is asked about the study's models.

A public name without a row here, or a reason below, fails the suite.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mlpool
from tests.invariance.studies import (
    EVERY,
    GENERALIZED,
    LINEAR,
    LINEAR_MIXED,
    MIXED,
    Study,
)  # fmt: skip

LEVEL = {
    "Mean": "level", "Predicted": "level", "CI_low": "level", "CI_high": "level", "SE": "y",
    "t": "test of level", "p": "test of level", "fitted": "level", "sim_1": "level",
}  # fmt: skip
"""Units of tables that predict the response: values move with it, errors do not."""
DIFFERENCE = {"SE": "y", "CI_low": "y", "CI_high": "y"}
SLOPE = {"SE": "y/x", "CI_low": "y/x", "CI_high": "y/x", "Coefficient": "y/x"}
PLAIN = dict.fromkeys(("SE", "CI_low", "CI_high", "Mean", "Predicted", "Difference"), "1")
"""The same columns of generalised models: probabilities have no unit."""

Ask = Callable[[Any, Study], Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question to models of some kinds.

    Attributes
    ----------
    kinds : tuple of str
        Keys of `studies.KINDS`; ``()`` for questions to the data alone.
    ask : function
        (model, study) -> result.
    units : dict
        Columns whose unit differs from `laws.COLUMN_UNITS`.
    draws : bool
        Random numbers in the rows' or levels' order: not held to other orders.
    text : bool
        The answer is text; it is compared as it stands.
    shows : tuple of str
        Transformations that the answer is about: storage types are what a codebook lists.
    slow : bool
    """

    kinds: tuple[str, ...]
    ask: Ask
    units: dict[str, str] = field(default_factory=dict)
    draws: bool = False
    text: bool = False
    shows: tuple[str, ...] = ()
    slow: bool = False


def _covariances(m: Any, s: Study) -> pd.DataFrame:
    v = mlpool.vcov(m)
    names = [_role(n, s) for n in v.index]
    cells = [
        (f"{a} by {b}", v.iloc[i, j]) for i, a in enumerate(names) for j, b in enumerate(names)
    ]
    return pd.DataFrame(cells, columns=["Pair", "Covariance"])


def _cells(m: Any, s: Study) -> Any:
    return mlpool.emmeans(m, f"~ `{s['f']}`")


def _role(name: str, s: Study) -> str:
    return "x" if name == s["x"] else name


def _tidied(m: Any, s: Study) -> pd.DataFrame:
    """Return the fixed effects of tidy in model_parameters' names."""
    frame = mlpool.tidy(m, conf_int=m.kind != "glm").iloc[: len(m.names)]
    names = {
        "term": "Parameter", "estimate": "Coefficient", "std.error": "SE", "p.value": "p",
        "conf.low": "CI_low", "conf.high": "CI_high",
    }  # fmt: skip
    return frame[[c for c in names if c in frame]].rename(columns=names)


def _smaller(m: Any, s: Study) -> Any:
    return mlpool.update(m, f". ~ . - `{s['f']}`")


def _saved(m: Any, s: Study) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = m.save(Path(folder) / "m.mlpool")
        return mlpool.model_parameters(mlpool.load_model(path))


def _simulated(m: Any, s: Study) -> Any:
    return mlpool.simulate(m, seed=1)


def _refitted(m: Any, s: Study) -> Any:
    """Refit to responses half as far from the fit (the same 0/1 and counts for other kinds)."""
    share = 0.5 if m.kind in ("lm", "lmer", "gls") else 1.0
    return mlpool.model_parameters(mlpool.refit(m, m.fitted + share * m.resid))


def _pooled(_: Any, s: Study) -> Any:
    """Return every group's intercepts and slopes with their errors, a row each."""
    pools = mlpool.compare_pooling(s.text("y ~ x + ( 1 | g )"), s.data)
    table = pools.groups.to_pandas().select_dtypes("number")
    return table.set_axis(["(Intercept)"] * len(table))


def _own_regressions(_: Any, s: Study) -> Any:
    """Return every group's own intercept and slope with their errors and tests."""
    table = mlpool.lm_list(s.text("y ~ x | g"), s.data).to_pandas()
    table["Parameter"] = [_role(name, s) for name in table["Parameter"]]
    return table.sort_values(["Level", "Parameter"]).drop(columns=["Group", "Level", "n"])


def _moved(m: Any, s: Study) -> Any:
    return mlpool.influence(m, s["g"], refit=False)


def _by_role(frame: pd.DataFrame, s: Study) -> pd.Series:
    """Return the sums of squares of every coefficient but the constant, by its role."""
    found = (frame**2).sum().drop("(Intercept)")
    return found.rename(lambda n: _role(str(n), s)).rename("DFBETAS")


def _levels_hypothesis(m: Any, s: Study) -> Any:
    """Test both levels at once: rows of one unit, on which Satterthwaite's joint df depend."""
    return mlpool.linear_hypothesis(m, [f"`{n}` = 0" for n in m.names if n.startswith(s["f"])])


E_, L_, M_, LM, G_ = EVERY, LINEAR, MIXED, LINEAR_MIXED, GENERALIZED

VERBS: dict[str, list[Row]] = {
    # look inside
    "fixef": [Row(kinds=E_, ask=lambda m, s: mlpool.fixef(m))],
    "ranef": [Row(kinds=M_, ask=lambda m, s: _long(mlpool.ranef(m), s))],
    "coef": [Row(kinds=M_, ask=lambda m, s: _long(mlpool.coef(m), s))],
    "vcov": [Row(kinds=E_, ask=_covariances)],
    "VarCorr": [Row(kinds=M_, ask=lambda m, s: mlpool.model_parameters(m, effects="random"))],
    "standard_error": [Row(kinds=E_, ask=lambda m, s: mlpool.standard_error(m))],
    "p_value": [Row(kinds=E_, ask=lambda m, s: mlpool.p_value(m))],
    "get_parameters": [Row(kinds=E_, ask=lambda m, s: mlpool.get_parameters(m))],
    # R's extractors
    "AIC": [Row(kinds=E_, ask=lambda m, s: mlpool.AIC(m), units={"value": "likelihood"})],
    "BIC": [Row(kinds=E_, ask=lambda m, s: mlpool.BIC(m), units={"value": "likelihood"})],
    "logLik": [Row(kinds=E_, ask=lambda m, s: mlpool.logLik(m), units={"value": "likelihood"})],
    "sigma": [Row(kinds=L_, ask=lambda m, s: mlpool.sigma(m), units={"value": "y"})],
    "nobs": [Row(kinds=E_, ask=lambda m, s: mlpool.nobs(m))],
    # relative to sigma and rotated: the units of columns change which directions are large
    "rePCA": [Row(kinds=M_, ask=lambda m, s: float(len(mlpool.rePCA(m))))],
    "ngrps": [Row(kinds=M_, ask=lambda m, s: float(sum(mlpool.ngrps(m).values())))],
    "isSingular": [Row(kinds=M_, ask=lambda m, s: float(mlpool.isSingular(m)))],
    "isREML": [Row(kinds=LM, ask=lambda m, s: float(mlpool.isREML(m)))],
    "fitted": [
        Row(kinds=L_, ask=lambda m, s: mlpool.fitted(m), units=LEVEL),
        Row(kinds=G_, ask=lambda m, s: mlpool.fitted(m), units={"fitted": "1"}),
    ],
    "resid": [Row(kinds=L_, ask=lambda m, s: mlpool.resid(m))],
    "residuals": [Row(kinds=L_, ask=lambda m, s: mlpool.residuals(m))],
    "deviance": [
        Row(kinds=("lm",), ask=lambda m, s: mlpool.deviance(m), units={"value": "yy"}),
        Row(kinds=LM, ask=lambda m, s: mlpool.deviance(m), units={"value": "likelihood"}),
        Row(kinds=G_, ask=lambda m, s: mlpool.deviance(m), units={"value": "1"}),
    ],
    "hatvalues": [Row(kinds=E_, ask=lambda m, s: float((mlpool.hatvalues(m) ** 2).sum()))],
    "cooks_distance": [Row(kinds=E_, ask=lambda m, s: float(mlpool.cooks_distance(m).sum()))],
    # a group's level means the same in every order; columns of the table are named by the study
    "influence": [
        Row(kinds=E_, ask=lambda m, s: float(_moved(m, s).cooks_distance.sum())),
        Row(
            kinds=("lmer",), slow=True,
            ask=lambda m, s: float(mlpool.influence(m, s["g"]).cooks_distance.sum()),
        ),
    ],
    "dfbeta": [
        Row(
            kinds=L_,
            ask=lambda m, s: (
                mlpool.dfbeta(m, s["g"], refit=False).abs().sum().rename("Coefficient")
            ),
        )
    ],
    "dfbetas": [
        Row(kinds=L_, ask=lambda m, s: _by_role(mlpool.dfbetas(m, s["g"], refit=False), s))
    ],
    "all_fit": [Row(kinds=("lmer",), ask=lambda m, s: float(mlpool.all_fit(m, 2).agree))],
    "tidy": [Row(kinds=E_, ask=_tidied)],
    "glance": [Row(kinds=E_, ask=lambda m, s: float(mlpool.glance(m)["df.residual"].iloc[0]))],
    "augment": [Row(kinds=E_, ask=lambda m, s: float((mlpool.augment(m)[".hat"] ** 2).sum()))],
    "df_residual": [Row(kinds=E_, ask=lambda m, s: float(mlpool.df_residual(m)))],
    "model_frame": [Row(kinds=E_, ask=lambda m, s: float(mlpool.model_frame(m).shape[1]))],
    "predict": [
        Row(kinds=L_, ask=lambda m, s: _answers(mlpool.predict(m, s.data)), units=LEVEL),
        Row(kinds=G_, ask=lambda m, s: _answers(mlpool.predict(m, s.data)), units=PLAIN),
    ],
    "weights": [Row(kinds=E_, ask=lambda m, s: mlpool.weights(m).reset_index(drop=True))],
    "getME": [
        Row(
            kinds=LM,
            ask=lambda m, s: pd.Series(mlpool.getME(m, "beta"), m.names, name="Estimate"),
        )
    ],
    # again
    "simulate": [
        Row(kinds=("lm", "nested"), ask=_simulated, units=LEVEL, draws=True),
        # Effects drawn where x is zero are others when zero lies elsewhere.
        Row(
            kinds=("lmer", "crossed"), ask=_simulated, units=LEVEL, draws=True,
            shows=("x + 1000 SD",),
        ),
        Row(kinds=G_, ask=_simulated, units={"sim_1": "1"}, draws=True),
    ],
    "refit": [Row(kinds=E_, ask=_refitted, draws=True, slow=True)],
    "update": [Row(kinds=E_, ask=lambda m, s: mlpool.fixef(_smaller(m, s)), slow=True)],
    "load_model": [Row(kinds=E_, ask=_saved)],
    # intervals
    "confint": [
        Row(kinds=("lm", "glm"), ask=lambda m, s: mlpool.confint(m)),
        Row(kinds=LM, ask=lambda m, s: mlpool.confint(m, method="Wald")),
        Row(
            kinds=("lmer", "nested", "glmer"), slow=True,
            ask=lambda m, s: mlpool.confint(m, oldNames=False),
        ),
    ],
    "profile": [
        Row(
            kinds=("nested",),
            ask=lambda m, s: mlpool.profile(m).confint(),
            slow=True,
        )
    ],
    "bootstrap": [
        Row(
            kinds=("lm", "nested"), draws=True,
            ask=lambda m, s: mlpool.bootstrap(m, 20, seed=1, n_jobs=1).confint(),
        )
    ],
    "bootstrap_parameters": [
        Row(
            kinds=("lm", "nested"), draws=True,
            ask=lambda m, s: mlpool.bootstrap_parameters(m, 20, seed=1, n_jobs=1),
        )
    ],
    # tables
    "model_parameters": [
        Row(kinds=E_, ask=lambda m, s: mlpool.model_parameters(m)),
        *[
            Row(
                kinds=LM,
                ask=lambda m, s, c=c: mlpool.model_parameters(m, ci_method=c, effects="fixed"),
            )
            for c in ("satterthwaite", "kenward")
        ],
        Row(
            kinds=M_,
            ask=lambda m, s: mlpool.model_parameters(m, effects="random", ci_random=True),
        ),
        Row(kinds=("lm", "glm"), ask=lambda m, s: mlpool.model_parameters(m, vcov="HC3")),
        Row(
            kinds=("lm", "lmer", "nested"),
            ask=lambda m, s: mlpool.model_parameters(
                m, vcov="CR2", effects="fixed", cluster=s["h"]
            ),
        ),
    ],
    "compare_parameters": [
        Row(
            kinds=E_,
            ask=lambda m, s: mlpool.compare_parameters(m, _smaller(m, s)),
            units={
                f"{c}.Model {i}": "c"
                for c in ("Coefficient", "SE", "CI_low", "CI_high")
                for i in (1, 2)
            },
            slow=True,
        )
    ],
    "standardize_parameters": [
        Row(
            kinds=("lm", "glm", "lmer"), ask=lambda m, s: mlpool.standardize_parameters(m),
            units=PLAIN,
        ),
        Row(
            kinds=("lm",), ask=lambda m, s: mlpool.standardize_parameters(m, method="posthoc"),
            units=PLAIN,
        ),
    ],
    "summary": [Row(kinds=E_, ask=lambda m, s: str(mlpool.summary(m)), text=True)],
    "summary_table": [Row(kinds=("lm", "lmer"), ask=lambda m, s: mlpool.summary_table(m))],
    "display": [Row(kinds=E_, ask=lambda m, s: str(mlpool.display(m)), text=True)],
    "compare_pooling": [
        Row(
            kinds=("lmer",), ask=_pooled,
            units=dict.fromkeys(("Complete", "No", "Partial", "No_SE", "Partial_SE"), "c"),
        )
    ],
    "lm_list": [Row(kinds=("lmer",), ask=_own_regressions)],
    # few clusters
    "coef_test": [
        Row(kinds=("lm", "lmer"), ask=lambda m, s: mlpool.coef_test(m, cluster=s["h"]))
    ],
    "wald_test": [
        Row(
            kinds=("lm", "lmer"),
            ask=lambda m, s: mlpool.wald_test(m, [f"`{s['x']}` = 0"], cluster=s["g"]),
        )
    ],
    "wild_bootstrap": [
        Row(
            kinds=("lm",), draws=True,
            ask=lambda m, s: mlpool.wild_bootstrap(m, cluster=s["g"], iterations=99, seed=1),
        )
    ],
    # compare
    "anova": [
        *[
            Row(kinds=E_, ask=lambda m, s, t=t: mlpool.anova(m, type=t), units={"Deviance": "1"})
            for t in (2, 3)
        ],
        Row(kinds=LM, ask=lambda m, s: mlpool.anova(m, ddf="Kenward-Roger")),
        Row(kinds=E_, ask=lambda m, s: _tests(mlpool.anova(_smaller(m, s), m))),
        Row(
            kinds=("lmer",), draws=True, slow=True,
            ask=lambda m, s: _tests(mlpool.anova(_smaller(m, s), m, bootstrap=9, seed=1)),
        ),
    ],
    **{
        name: [Row(kinds=LM, ask=lambda m, s, name=name: getattr(mlpool, name)(m), units=PLAIN)]
        for name in ("eta_squared", "omega_squared", "epsilon_squared")
    },
    "test_likelihoodratio": [
        Row(kinds=E_, ask=lambda m, s: _tests(mlpool.test_likelihoodratio(_smaller(m, s), m)))
    ],
    "ranova": [Row(kinds=LM, ask=lambda m, s: mlpool.ranova(m))],
    "drop1": [Row(kinds=E_, ask=lambda m, s: mlpool.drop1(m))],
    "linear_hypothesis": [Row(kinds=E_, ask=lambda m, s: _tests(_levels_hypothesis(m, s)))],
    "p_adjust": [Row(kinds=E_, ask=lambda m, s: mlpool.p_adjust(mlpool.p_value(m)["p"][1:]))],
    # how good
    "icc": [Row(kinds=M_, ask=lambda m, s: mlpool.icc(m))],
    "r2": [Row(kinds=E_, ask=lambda m, s: mlpool.r2(m))],
    "get_variance": [
        Row(kinds=("nested",), ask=lambda m, s: mlpool.get_variance(m), units={"Value": "yy"})
    ],
    "reliability": [Row(kinds=LM, ask=lambda m, s: mlpool.reliability(m))],
    "model_performance": [Row(kinds=E_, ask=lambda m, s: mlpool.model_performance(m))],
    "compare_performance": [
        Row(kinds=E_, ask=lambda m, s: mlpool.compare_performance(m, _smaller(m, s)))
    ],
    "report": [Row(kinds=E_, ask=lambda m, s: str(mlpool.report(m)), text=True)],
    # checks
    "check_singularity": [
        Row(
            kinds=LM, ask=lambda m, s: mlpool.check_singularity(m),
            units={"SD": "c", "theta": "skip"},
        )
    ],
    "check_convergence": [
        Row(kinds=M_, ask=lambda m, s: mlpool.check_convergence(m).to_pandas()[["Converged"]])
    ],
    "check_heteroscedasticity": [
        Row(kinds=L_, ask=lambda m, s: mlpool.check_heteroscedasticity(m))
    ],
    "check_normality": [Row(kinds=L_, ask=lambda m, s: mlpool.check_normality(m))],
    "check_outliers": [Row(kinds=L_, ask=lambda m, s: mlpool.check_outliers(m))],
    "check_collinearity": [Row(kinds=E_, ask=lambda m, s: mlpool.check_collinearity(m))],
    "check_autocorrelation": [
        Row(kinds=("lm",), ask=lambda m, s: mlpool.check_autocorrelation(m), draws=True)
    ],
    "ACF": [Row(kinds=("nested", "lmer"), ask=lambda m, s: mlpool.ACF(m, 3), draws=True)],
    "Variogram": [
        Row(kinds=("nested", "lmer"), ask=lambda m, s: mlpool.Variogram(m), draws=True)
    ],
    "check_overdispersion": [
        Row(kinds=("count",), ask=lambda m, s: mlpool.check_overdispersion(m))
    ],
    "check_zeroinflation": [
        Row(kinds=("count",), ask=lambda m, s: mlpool.check_zeroinflation(m))
    ],
    "check_heterogeneity_bias": [
        Row(
            kinds=("lmer", "glmer"), ask=lambda m, s: mlpool.check_heterogeneity_bias(m),
            units={"SD_within": "its x", "SD_between": "its x"},
        )
    ],
    # look
    "plot": [
        Row(kinds=E_, ask=lambda m, s: _drawn(mlpool.plot(mlpool.model_parameters(m))), slow=True),
        Row(
            kinds=E_, ask=lambda m, s: _drawn(mlpool.plot(mlpool.estimate_relation(m, _grid(s)))),
            units=LEVEL, slow=True,
        ),
    ],
    "check_model": [
        Row(kinds=("lm",), ask=lambda m, s: _panels(mlpool.check_model(m)), draws=True)
    ],
    "plot_shrinkage": [
        Row(kinds=("lmer",), ask=lambda m, s: _drawn(mlpool.plot_shrinkage(m)), slow=True)
    ],
    # answers
    "estimate_means": [
        Row(kinds=L_, ask=lambda m, s: mlpool.estimate_means(m, by=s["f"]), units=LEVEL),
        Row(kinds=G_, ask=lambda m, s: mlpool.estimate_means(m, by=s["f"]), units=PLAIN),
        Row(
            kinds=("lm", "nested"),
            ask=lambda m, s: mlpool.estimate_means(m, by=s["f"], estimate="average"), units=LEVEL,
        ),
    ],
    "estimate_contrasts": [
        Row(kinds=L_, ask=lambda m, s: mlpool.estimate_contrasts(m, s["f"]), units=DIFFERENCE),
        Row(kinds=G_, ask=lambda m, s: mlpool.estimate_contrasts(m, s["f"]), units=PLAIN),
    ],
    "estimate_slopes": [
        Row(kinds=L_, ask=lambda m, s: mlpool.estimate_slopes(m, s["x"]), units=SLOPE),
        Row(
            kinds=G_, ask=lambda m, s: mlpool.estimate_slopes(m, s["x"]),
            units=dict.fromkeys(("Slope", "SE", "CI_low", "CI_high"), "1/x"),
        ),
    ],
    "estimate_relation": [
        Row(
            kinds=L_, ask=lambda m, s: _no_x(mlpool.estimate_relation(m, _grid(s)), s),
            units=LEVEL,
        ),
        Row(
            kinds=G_, ask=lambda m, s: _no_x(mlpool.estimate_relation(m, _grid(s)), s),
            units=PLAIN,
        ),
    ],
    "estimate_expectation": [
        Row(kinds=L_, ask=lambda m, s: _no_x(mlpool.estimate_expectation(m), s), units=LEVEL)
    ],
    "estimate_link": [
        Row(kinds=G_, ask=lambda m, s: _no_x(mlpool.estimate_link(m, _grid(s)), s), units=PLAIN)
    ],
    "estimate_prediction": [
        Row(kinds=L_, ask=lambda m, s: _no_x(mlpool.estimate_prediction(m), s), units=LEVEL)
    ],
    "estimate_grouplevel": [Row(kinds=M_, ask=lambda m, s: mlpool.estimate_grouplevel(m))],
    "emmeans": [
        Row(kinds=L_, ask=lambda m, s: mlpool.emmeans(m, f"~ `{s['f']}`"), units=LEVEL),
        Row(kinds=G_, ask=lambda m, s: mlpool.emmeans(m, f"~ `{s['f']}`"), units=PLAIN),
    ],
    "contrast": [
        Row(kinds=L_, ask=lambda m, s: mlpool.contrast(_cells(m, s)), units=DIFFERENCE),
        Row(kinds=G_, ask=lambda m, s: mlpool.contrast(_cells(m, s)), units=PLAIN),
    ],
    "regrid": [
        Row(kinds=L_, ask=lambda m, s: mlpool.regrid(_cells(m, s)), units=LEVEL),
        Row(kinds=G_, ask=lambda m, s: mlpool.regrid(_cells(m, s)), units=PLAIN),
    ],
    "pairs": [
        Row(
            kinds=L_, ask=lambda m, s: mlpool.pairs(m, f"~ `{s['f']}`"), units=DIFFERENCE, slow=True
        ),
        Row(kinds=G_, ask=lambda m, s: mlpool.pairs(m, f"~ `{s['f']}`"), units=PLAIN, slow=True),
    ],
    "emtrends": [
        Row(kinds=L_, ask=lambda m, s: mlpool.emtrends(m, f"~ `{s['f']}`", s["x"]), units=SLOPE)
    ],
    "joint_tests": [Row(kinds=E_, ask=lambda m, s: mlpool.joint_tests(m))],
    # data
    "model_matrix": [
        Row(
            kinds=(), ask=lambda _, s: mlpool.model_matrix(s.text("~ x + f"), s.data),
            units={"x": "x"},
        )
    ],
    "demean": [
        Row(
            kinds=(), ask=lambda _, s: _made(mlpool.demean, s),
            units={"x_within": "x", "x_between": "x"},
        )
    ],
    "degroup": [
        Row(
            kinds=(), ask=lambda _, s: _made(mlpool.degroup, s),
            units={"x_within": "x", "x_between": "x"},
        )
    ],
    "center": [
        Row(kinds=(), ask=lambda _, s: _one(mlpool.center(s.data, s["x"]), s), units={"x": "dx"})
    ],
    "standardize": [
        Row(kinds=(), ask=lambda _, s: _one(mlpool.standardize(s.data, s["x"]), s)),
        Row(
            kinds=L_, ask=lambda m, s: mlpool.fixef(mlpool.standardize(m)),
            units={"Estimate": "1"},
        ),
    ],
    "describe_distribution": [
        Row(
            kinds=(), ask=lambda _, s: mlpool.describe_distribution(s.data, s["y"], by=s["f"]),
            units={
                **dict.fromkeys(("Mean", "Min", "Max"), "level"),
                **dict.fromkeys(("SD", "IQR"), "y"),
            },
        )
    ],
    "data_codebook": [
        Row(
            kinds=(), ask=lambda _, s: str(mlpool.data_codebook(s.data, [s["g"]])), text=True,
            shows=("columns", "categories", "polars", "arrow"),
        )
    ],
    "table_one": [
        Row(
            kinds=(),
            ask=lambda _, s: str(mlpool.table_one(s.data, [s["x"], s["f"]], by=s["h"])), text=True,
        )
    ],
}  # fmt: skip


EXEMPT = {
    **dict.fromkeys(("fit", "lm", "glm", "lmer", "glmer"), "each kind of model is one of them"),
    **dict.fromkeys(
        ("load_data", "datasets", "factor", "scan"), "they hand data on; no number is made"
    ),
    **dict.fromkeys(("parameters", "performance"), "model_parameters and model_performance"),
    **dict.fromkeys(
        ("gls", "lme", "mmrm"), "their own laws are in models/test_residual_structures.py"
    ),
    **dict.fromkeys(("formula", "family", "terms", "r_spelling"), "they are words"),
    **dict.fromkeys(("plot_icc", "theme_mlpool"), "they draw no data of the user's"),
    **dict.fromkeys(
        (
            "simulate_clusters", "simulate_reversal", "simple_random_sample", "two_stage_sample",
            "sampling_study", "coverage_study", "type_one_error_study", "design_effect_study",
            "simulate_power",
        ),
        "they make data of their own",
    ),
    **dict.fromkeys(
        (
            "shrinkage", "pooling_estimate", "precision_weighted_mean", "design_effect", "deft",
            "effective_n", "equivalent_n", "variance_ratio", "se_pooling",
        ),
        "arithmetic of a few numbers",
    ),
}  # fmt: skip
"""Public verbs without a row, and why."""


def _long(groups: Any, s: Study) -> pd.DataFrame:
    """Return effects by group as (group, level, term, value), terms by role."""
    rows = [
        (name, str(level), _role(str(term), s), float(frame.loc[level, term]))
        for name, frame in groups.items()
        for level in frame.index
        for term in frame.columns
    ]
    return pd.DataFrame(rows, columns=["Group", "Level", "Parameter", "Coefficient"])


def _tests(table: Any) -> pd.DataFrame:
    """Return a table of tests without its criteria, whose unit is the density's."""
    frame = table.to_pandas()
    kept = [
        c for c in ("df", "F", "Chi2", "Chisq", "df_error", "df_diff", "p") if c in frame.columns
    ]
    assert "p" in kept
    return frame[kept]


def _answers(predicted: pd.Series) -> pd.DataFrame:
    return predicted.to_frame("Predicted")


def _grid(s: Study) -> dict[str, list[float]]:
    """Return given values of x: those a table chooses itself are rounded to decimals, as R's."""
    x = np.asarray(mlpool.model_matrix(s.text("~ x"), s.data).iloc[:, 1], dtype=float)
    return {s["x"]: [float(v) for v in np.quantile(x, [0.0, 0.25, 0.5, 1.0], method="lower")]}


def _no_x(table: Any, s: Study) -> pd.DataFrame:
    """Return the answers beside a grid, whose own columns come first and may be called anything."""
    frame = table.to_pandas()
    grid = {s[role] for role in ("x", "f", "g", "h", "k")}
    first = 0
    while frame.columns[first] in grid:
        grid.remove(frame.columns[first])
        first += 1
    answers = frame.iloc[:, first:].select_dtypes("number")
    names = ("Predicted", "SE", "CI_low", "CI_high", "Residuals")
    return answers.set_axis(names[: answers.shape[1]], axis=1)


def _drawn(plot: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plot.draw()
    return pd.DataFrame({"value": [len(plot.data)]})


def _panels(checks: Any) -> pd.DataFrame:
    return pd.DataFrame({"panels": [len(str(checks))]})


def _made(verb: Any, s: Study) -> pd.DataFrame:
    made = verb(s.data, s["x"], by=s["g"], append=False)
    frame = made.to_pandas() if hasattr(made, "to_pandas") else pd.DataFrame(made)
    return frame.set_axis(["x_between", "x_within"], axis=1)


def _one(made: Any, s: Study) -> pd.DataFrame:
    frame = made.to_pandas() if hasattr(made, "to_pandas") else pd.DataFrame(made)
    return frame[[s["x"]]].set_axis(["x"], axis=1)
