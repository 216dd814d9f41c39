# %% [markdown]
# # Cluster sampling and effect reversal
#
# A port of the introduction to Hoff's STA 610: what goes wrong when groups are ignored. The lecture
# simulates; so does this script, with seeds of its own, so its numbers are not the slides'.
#
# Run it: `python examples/cluster_sampling.py`. Every step shows the R call first, then mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.2), 60
parser = argparse.ArgumentParser(description="Cluster sampling and effect reversal")
parser.add_argument("--data", help="CSV file with the columns school, math, for the first figure")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

# %% [markdown]
# ## Multilevel data
#
# Students in schools: every dot a student, every dash the mean of a school's students.
#
# ```r
# ggplot(some, aes(school, math)) + geom_jitter() + stat_summary(fun = mean)
# ```

# %%
dat = pd.read_csv(options.data, encoding="utf-8-sig") if options.data else mlpool.load_data("hsb82")
some = dat[dat["school"].isin(sorted(dat["school"].unique())[:15])].copy()
some["school"] = some["school"].astype(str)
means = some.groupby("school", as_index=False)["math"].mean()
(
    p9.ggplot(some, p9.aes("school", "math"))
    + p9.geom_jitter(width=0.15, height=0, alpha=0.35, size=0.8, random_state=1)
    + p9.geom_point(data=means, shape="_", size=7, stroke=1.4, color="#0072B2")
    + mlpool.theme_mlpool()
    + p9.theme(axis_text_x=p9.element_text(rotation=90))
)

# %% [markdown]
# ## Two ways to draw 100 units
#
# The population: 1000 neighbourhoods of 100 locations each. A two-stage sample takes 10
# neighbourhoods and 10 locations in each; a simple random sample takes 100 locations from anywhere.
#
# ```r
# j <- sample(unique(pop$cluster), 10)
# tss <- do.call(rbind, lapply(j, function(g) pop[pop$cluster == g, ][sample(100, 10), ]))
# srs <- pop[sample(nrow(pop), 100), ]
# ```

# %%
population = mlpool.simulate_clusters(1000, 100, intercept=2.0, icc=0.3, sd_x_within=0.0, seed=610)
print(f"population mean {population['y'].mean():.4f}")
for seed in (1, 2):
    tss = mlpool.two_stage_sample(population, "cluster", 10, 10, seed=seed)
    srs = mlpool.simple_random_sample(population, 100, seed=seed)
    print(f"two-stage {tss['y'].mean():.4f}   simple {srs['y'].mean():.4f}")

# %% [markdown]
# Four samples show little; twenty thousand of each kind show the sampling distributions. The
# variance of the two-stage mean is larger by the design effect 1 + ICC (n - 1).

# %%
study = mlpool.sampling_study(population, "y", "cluster", draws=20_000, seed=3)
print(study)

# %%
mlpool.plot(study)

# %% [markdown]
# ## Heterogeneity between groups is dependence within them
#
# Two units of one group resemble each other by as much as groups differ: their correlation is the
# ICC.

# %%
pairs = mlpool.simulate_clusters(20_000, 2, icc=0.3, sd_x_within=0.0, seed=4)["y"].to_numpy()
first, second = pairs.reshape(-1, 2).T
print(f"correlation of two units of a group {np.corrcoef(first, second)[0, 1]:.2f}, ICC 0.30")

# %% [markdown]
# ## What happens to a confidence interval
#
# For independent data mean +- t s / sqrt(n) holds the truth in 95 % of samples. For cluster samples
# s / sqrt(n) is too small.
#
# ```r
# confint(lm(y ~ 1, data = tss))                      # too short
# confint(lmer(y ~ 1 + (1 | cluster), data = tss))    # honest
# ```

# %%
coverage = mlpool.coverage_study(
    "(Intercept)", n_sims=200, methods=["lm", "CR1", "satterthwaite"], n_clusters=10,
    n_per_cluster=10, icc=0.3, sd_x_within=0.0, seed=5, progress=False,
)  # fmt: skip
print(coverage)

# %%
mlpool.plot(coverage, n=60) + p9.theme(figure_size=(5.5, 4))

# %% [markdown]
# ## Inference about the groups
#
# A group's mean can be estimated by its own mean or by w mean_j + (1 - w) mean. And is the variance
# between groups zero? In the likelihood-ratio test that null lies on the boundary, where the usual
# p-value is twice too large.
#
# ```r
# m <- lmer(y ~ 1 + (1 | cluster), data = tss); coef(m)
# test_likelihoodratio(lm(y ~ 1, data = tss), m)   # halve the p-value
# ```

# %%
tss = mlpool.two_stage_sample(population, "cluster", 10, 10, seed=1)
three = mlpool.compare_pooling("y ~ 1", tss.astype({"cluster": str}), group="cluster")
print(three.groups)
print()
one_mean, many = mlpool.lm("y ~ 1", tss), mlpool.lmer("y ~ 1 + (1 | cluster)", tss)
print(mlpool.test_likelihoodratio(one_mean=one_mean, many=many, boundary=True))

# %% [markdown]
# ## What happens to an effect
#
# **Too cautious.** Pairs in groups that differ a lot: between groups everything overlaps, inside
# them the treated unit always has more.
#
# ```r
# lm(y ~ x, data = d); lmer(y ~ x + (1 | group), data = d)
# ```

# %%
rng = np.random.default_rng(8)
group = np.repeat(np.arange(10), 2)
d = pd.DataFrame({"x": np.tile([0, 1], 10), "group": group.astype(str)})
d["y"] = 3 * rng.normal(size=10)[group] + 0.8 * d["x"] + 0.3 * rng.normal(size=20)
naive, mixed = mlpool.lm("y ~ x", d), mlpool.lmer("y ~ x + (1 | group)", d)
print(mlpool.compare_parameters(without=naive, with_groups=mixed, select="se_p"))

# %% [markdown]
# **Not cautious enough.** The treatment is given to whole groups and does nothing, but two sets of
# groups never have exactly one mean. How often is that called significant?

# %%
errors = mlpool.type_one_error_study(
    "w", n_sims=200, methods=["lm", "satterthwaite"], n_clusters=12, n_per_cluster=10, icc=0.3,
    binary_w=True, sd_x_within=0.0, seed=9, progress=False,
)  # fmt: skip
print(errors)

# %%
mlpool.plot(errors)

# %% [markdown]
# **The wrong way round.** Up in the population, down in every group: Simpson's paradox. Splitting x
# into the group's mean and the deviation from it shows both.
#
# ```r
# d <- cbind(d, datawizard::demean(d, select = "x", by = "cluster"))
# lmer(y ~ x_within + x_between + (1 | cluster), data = d)
# ```

# %%
simpson = mlpool.simulate_reversal(5, 30, seed=10)[["cluster", "x", "y"]]
simpson["cluster"] = simpson["cluster"].astype(str)
# The construction is too neat for a mixed model: a little noise between groups makes it life-like.
simpson["y"] += np.repeat(np.random.default_rng(1).normal(0, 0.7, size=5), 30)
split = mlpool.demean(simpson, select="x", by="cluster")
pooled = mlpool.lm("y ~ x", simpson)
both = mlpool.lmer("y ~ x_within + x_between + (1 | cluster)", split)
print(f"slope of all together {pooled.fixef()['x']:.2f}")
print(mlpool.model_parameters(both, effects="fixed"))

# %%
(
    p9.ggplot(simpson, p9.aes("x", "y"))
    + p9.geom_point(p9.aes(color="cluster"), alpha=0.5, size=1)
    + p9.geom_smooth(p9.aes(color="cluster"), method="lm", se=False)
    + p9.geom_smooth(method="lm", se=False, color="black", linetype="dashed")
    + p9.labs(title="Effect reversal")
    + mlpool.theme_mlpool()
)

# %% [markdown]
# ## Macro and micro effects together
#
# Richer people lean one way, richer states the other. x is a person's income, w the state's; both
# change the intercept, and w the slope of x:
#
# y = (a0 + a1 w_j + u_j) + (b0 + b1 w_j + v_j) x + e
#
# ```r
# lmer(y ~ x * w + (x | state), data = states)
# ```

# %%
states = mlpool.simulate_clusters(
    50, 60, slope=0.5, effect_w=-0.8, slope_w=0.2, sd_intercept=0.5, sd_slope=0.3, seed=2004
).rename(columns={"cluster": "state"})
states["state"] = states["state"].astype(str)
joint = mlpool.lmer("y ~ x * w + (x | state)", states)
print("truth: 0, 0.5, -0.8 and 0.2\n")
print(mlpool.model_parameters(joint))

# %%
macro = states.groupby("state", as_index=False)[["y", "w"]].mean()
print(f"between states: {mlpool.lm('y ~ w', macro).fixef()['w']:.2f}")
inside = mlpool.compare_pooling("y ~ x + (x | state)", states)
inside.plot(kind="lines") + p9.theme(figure_size=(7, 2.8))
