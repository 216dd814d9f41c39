"""The gallery's figures, each a function; docs/make_gallery.py makes pictures and page of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotnine as p9
from scipy import stats

import mlpool

FIGURES: dict[str, Callable[[], Any]] = {}
SECTIONS: dict[str, list[str]] = {}
SIZES: dict[str, tuple[float, float]] = {}


def figure(section: str, size: tuple[float, float] = (5.5, 3.4)) -> Callable[..., Any]:
    """Register a function as a figure of a section."""

    def register(function: Callable[[], Any]) -> Callable[[], Any]:
        FIGURES[function.__name__] = function
        SECTIONS.setdefault(section, []).append(function.__name__)
        SIZES[function.__name__] = size
        return function

    return register


# --- pooling ------------------------------------------------------------------------------------


@figure("Three poolings", (5.5, 4.2))
def shrinkage() -> Any:
    """The smallest schools: from no pooling to partial pooling."""
    null = mlpool.lmer("math ~ 1 + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot_shrinkage(null, n=20)


@figure("Three poolings", (7, 2.8))
def lines() -> Any:
    """Every school's line under each pooling."""
    c = mlpool.compare_pooling("math ~ ses", mlpool.load_data("hsb82"), group="school")
    return c.plot(kind="lines")


@figure("Three poolings", (7, 4))
def panels() -> Any:
    """Eight schools with their three lines (Gelman & Hill, figures 12.2 and 12.4)."""
    c = mlpool.compare_pooling("math ~ ses", mlpool.load_data("hsb82"), group="school")
    return c.plot(kind="panels", n=8)


@figure("Three poolings", (6, 3.2))
def size() -> Any:
    """Estimates by size: small groups scatter, until they are pooled."""
    c = mlpool.compare_pooling("math ~ 1", mlpool.load_data("hsb82"), group="school")
    return c.plot(kind="size")


@figure("Three poolings")
def relation() -> Any:
    """Complete pooling: what the model says, with cluster-robust bands."""
    ols = mlpool.lm("math ~ ses + gender", mlpool.load_data("hsb82"))
    pred = mlpool.estimate_relation(ols, by=["ses", "gender"], vcov="vcovCL", cluster="school")
    return mlpool.plot(pred) + p9.labs(y="math")


@figure("Three poolings")
def additive() -> Any:
    """No pooling: every school its own intercept, parallel lines."""
    m = mlpool.lm("math ~ ses + school", mlpool.load_data("hsb82"))
    pred = mlpool.estimate_relation(m, by=["ses", "school"])
    return mlpool.plot(pred, line={"color": "red", "alpha": 0.1}, ribbon="none") + p9.labs(y="math")


@figure("Three poolings")
def interacting() -> Any:
    """No pooling: every school its own line, crossing lines."""
    m = mlpool.lm("math ~ ses * school", mlpool.load_data("hsb82"))
    pred = mlpool.estimate_relation(m, by=["ses", "school"])
    return mlpool.plot(pred, line={"color": "blue", "alpha": 0.1}, ribbon="none") + p9.labs(
        y="math"
    )


# --- groups -------------------------------------------------------------------------------------

SCHOOL_SIZES = [41, 16, 33, 42, 29, 41, 37, 26, 22, 51, 38, 18, 36, 33, 21, 29, 38, 51, 22, 37]
SCHOOL_MEANS = [
    484.25, 485.51, 535.46, 378.48, 448.60, 619.35, 375.71, 421.43, 561.16, 425.34,
    506.35, 520.70, 475.74, 469.31, 413.62, 486.36, 529.84, 528.36, 479.34, 510.69,
]  # fmt: skip


@figure("Groups", (5.5, 3.8))
def eb_intervals() -> Any:
    """Empirical Bayes means of twenty schools and their 95 % intervals."""
    table = mlpool.pooling_estimate(SCHOOL_MEANS, SCHOOL_SIZES, tau2=3557.715, sigma2=5439.9)
    table["School"] = [str(j) for j in range(1, 21)]
    table["School"] = pd.Categorical(table["School"], table.sort_values("EB")["School"])
    return (
        p9.ggplot(table, p9.aes("School", "EB", ymin="EB_low", ymax="EB_high"))
        + p9.geom_hline(yintercept=482.757, linetype="dashed", color="grey")
        + p9.geom_pointrange(size=0.3)
        + p9.coord_flip()
        + p9.labs(y="EB estimate and 95 % interval")
        + mlpool.theme_mlpool()
    )


@figure("Groups")
def error_curves() -> Any:
    """How far the mean of 16, 29 or 51 students may lie from the school's true mean."""
    x = np.linspace(-60, 60, 201)
    curves = pd.concat(
        pd.DataFrame({"x": x, "density": stats.norm.pdf(x, 0, np.sqrt(5439.9 / n)), "n": str(n)})
        for n in (16, 29, 51)
    )
    return (
        p9.ggplot(curves, p9.aes("x", "density", color="n"))
        + p9.geom_line()
        + p9.labs(x="Error of a school's mean", y="Density")
        + mlpool.theme_mlpool()
    )


@figure("Groups")
def blup_histogram() -> Any:
    """Effects of schools and the normal distribution that the model draws them from."""
    null = mlpool.lmer("math ~ 1 + (1 | school)", mlpool.load_data("hsb82"))
    means = mlpool.coef(null)["school"].rename(columns={"(Intercept)": "mean"})
    mu, tau = mlpool.fixef(null).iloc[0], mlpool.VarCorr(null).to_frame()["sdcor"].iloc[0]
    return (
        p9.ggplot(means, p9.aes("mean"))
        + p9.geom_histogram(p9.aes(y=p9.after_stat("density")), bins=40, fill="#999999")
        + p9.stat_function(fun=stats.norm.pdf, args=(mu, tau), color="#D55E00")
        + p9.labs(x="Partially pooled mean", y="Density")
        + mlpool.theme_mlpool()
    )


@figure("Groups", (6, 3.2))
def group_strips() -> Any:
    """Units by group, with the groups' means."""
    schools = mlpool.load_data("hsb82")
    some = schools[schools["school"].isin(schools["school"].cat.categories[:15])]
    some = some.assign(school=some["school"].cat.remove_unused_categories())
    means = some.groupby("school", observed=True, as_index=False)["math"].mean()
    return (
        p9.ggplot(some, p9.aes("school", "math"))
        + p9.geom_jitter(width=0.15, height=0, alpha=0.35, size=0.8, random_state=1)
        + p9.geom_point(data=means, shape="_", size=7, stroke=1.4, color="#0072B2")
        + mlpool.theme_mlpool()
        + p9.theme(axis_text_x=p9.element_text(rotation=90))
    )


@figure("Groups", (7, 2.8))
def icc_strips() -> Any:
    """What an intraclass correlation looks like."""
    return mlpool.plot_icc([0.05, 0.5, 0.95])


@figure("Groups", (5.5, 4.2))
def school_effects() -> Any:
    """Effects of all schools with their intervals: a caterpillar."""
    null = mlpool.lmer("math ~ 1 + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot(mlpool.estimate_grouplevel(null))


@figure("Groups", (5.5, 3.6))
def reliability() -> Any:
    """How far each group's own mean is trusted."""
    null = mlpool.lmer("math ~ 1 + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot(mlpool.reliability(null))


# --- sampling and ignoring groups ---------------------------------------------------------------


@figure("Samples of clusters")
def sampling_distributions() -> Any:
    """Means of two-stage samples scatter more than means of simple random samples."""
    population = mlpool.simulate_clusters(1000, 100, intercept=2.0, icc=0.3, seed=1)
    study = mlpool.sampling_study(population, "y", "cluster", draws=20_000, seed=2)
    return mlpool.plot(study)


@figure("Samples of clusters", (5.5, 4.2))
def intervals() -> Any:
    """Intervals from cluster samples: too short where the clusters are ignored."""
    study = mlpool.coverage_study(
        "(Intercept)", n_sims=60, methods=["lm", "satterthwaite"], n_clusters=10,
        n_per_cluster=10, icc=0.3, seed=5,
    )  # fmt: skip
    return mlpool.plot(study)


@figure("Samples of clusters", (6, 3))
def type_one_errors() -> Any:
    """p-values of a treatment of whole groups that does nothing."""
    study = mlpool.type_one_error_study(
        "w", n_sims=200, methods=["lm", "satterthwaite"], n_clusters=12, n_per_cluster=10,
        icc=0.3, binary_w=True, seed=9,
    )  # fmt: skip
    return mlpool.plot(study)


@figure("Samples of clusters")
def design_effects() -> Any:
    """The design effect 1 + ICC (n - 1), and what simulated samples show."""
    return mlpool.plot(mlpool.design_effect_study(seed=1))


@figure("Samples of clusters")
def overconservative() -> Any:
    """Groups overlap although treated units (1) lie above their partners in every one."""
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(10), 2)
    pairs = pd.DataFrame({"group": group.astype(str), "x": np.tile(["0", "1"], 10)})
    pairs["y"] = 3 * rng.normal(size=10)[group] + 0.8 * (pairs["x"] == "1")
    pairs["y"] += 0.2 * rng.normal(size=20)
    return (
        p9.ggplot(pairs, p9.aes("x", "y", group="group"))
        + p9.geom_line(color="#999999")
        + p9.geom_point(p9.aes(color="x"), size=2)
        + p9.scale_color_manual(values=["#0072B2", "#D55E00"])
        + mlpool.theme_mlpool()
    )


@figure("Samples of clusters")
def underconservative() -> Any:
    """Two groups differ, although the treatment that came to one of them does nothing."""
    data = mlpool.simulate_clusters(2, [25, 25], icc=0.4, binary_w=True, seed=3)
    data["treated"] = data["w"].map({0.0: "no", 1.0: "yes"})
    return (
        p9.ggplot(data, p9.aes("treated", "y", color="treated"))
        + p9.geom_jitter(width=0.1, height=0, random_state=1)
        + p9.stat_summary(fun_y=np.mean, geom="point", shape="_", size=16, color="black")
        + p9.scale_color_manual(values=["#0072B2", "#D55E00"])
        + mlpool.theme_mlpool()
        + p9.theme(legend_position="none")
    )


@figure("Samples of clusters")
def effect_reversal() -> Any:
    """Simpson's paradox: up in the population, down in every group."""
    data = mlpool.simulate_reversal(5, 30, seed=10).astype({"cluster": "str"})
    return (
        p9.ggplot(data, p9.aes("x", "y"))
        + p9.geom_point(p9.aes(color="cluster"), alpha=0.5, size=1)
        + p9.geom_smooth(p9.aes(color="cluster"), method="lm", se=False)
        + p9.geom_smooth(method="lm", se=False, color="black", linetype="dashed")
        + mlpool.theme_mlpool()
    )


def fifty_states() -> pd.DataFrame:
    """Return simulated states: richer people lean one way, richer states the other."""
    data = mlpool.simulate_clusters(
        50, 60, slope=0.5, effect_w=-0.8, sd_intercept=0.5, sd_slope=0.3, seed=2004
    )
    return data.rename(columns={"cluster": "state", "x": "income", "w": "gdp"}).astype(
        {"state": "str"}
    )


@figure("Samples of clusters")
def macro_effect() -> Any:
    """Between states: richer states lean down."""
    means = fifty_states().groupby("state", as_index=False)[["gdp", "y"]].mean()
    return (
        p9.ggplot(means, p9.aes("gdp", "y"))
        + p9.geom_point()
        + p9.geom_smooth(method="lm", se=False, color="#0072B2")
        + mlpool.theme_mlpool()
    )


@figure("Samples of clusters", (7, 2.8))
def micro_effects() -> Any:
    """Inside states: richer people lean up, in some states more than in others."""
    c = mlpool.compare_pooling("y ~ income + (income | state)", fifty_states())
    return c.plot(kind="lines")


# --- models -------------------------------------------------------------------------------------


@figure("Models", (5.5, 2.6))
def coefficients() -> Any:
    """Coefficients and their intervals."""
    m = mlpool.lmer("math ~ ses * sector + minority + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot(mlpool.model_parameters(m))


@figure("Models", (6, 3))
def side_by_side() -> Any:
    """Coefficients of several models."""
    schools = mlpool.load_data("hsb82")
    complete = mlpool.lm("math ~ ses + sector", schools)
    partial = mlpool.lmer("math ~ ses + sector + (1 | school)", schools)
    return mlpool.plot(mlpool.compare_parameters(complete=complete, partial=partial))


@figure("Models")
def marginal_means() -> Any:
    """Means of two factors, joined."""
    m = mlpool.lmer("math ~ sector * minority + ses + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot(mlpool.estimate_means(m, by=["minority", "sector"]))


@figure("Models")
def contrasts() -> Any:
    """Differences between recipes."""
    m = mlpool.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", mlpool.load_data("cake"))
    return mlpool.plot(mlpool.estimate_contrasts(m, contrast="recipe"))


@figure("Models")
def slopes() -> Any:
    """The slope of SES at several values of the school's mean SES."""
    m = mlpool.lmer("math ~ ses * meanses + (1 | school)", mlpool.load_data("hsb82"))
    return mlpool.plot(mlpool.estimate_slopes(m, trend="ses", by="meanses"))


@figure("Models", (8, 7))
def check_model() -> Any:
    """The assumptions of a model, a panel each."""
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    return mlpool.check_model(m, seed=1).plot()


@figure("Models", (7, 3))
def performance() -> Any:
    """Which model is better on which index."""
    schools = mlpool.load_data("hsb82")
    null = mlpool.lmer("math ~ 1 + (1 | school)", schools)
    ses = mlpool.lmer("math ~ ses + (1 | school)", schools)
    both = mlpool.lmer("math ~ ses + sector + (1 | school)", schools)
    return mlpool.plot(mlpool.compare_performance(null=null, ses=ses, both=both))


# --- the page -----------------------------------------------------------------------------------
