# %% [markdown]
# # Approaches to clustered data
#
# A port of PSYC 894, lecture 03b (J. M. Girard): complete, no and partial pooling of students in
# schools. The lecture's file, heck2011.csv, is the user's own; without it the bundled High School
# and Beyond students answer the same questions.
#
# Run it: `python examples/pooling_approaches.py`, or with the lecture's file and numbers
# `python examples/pooling_approaches.py --data heck2011.csv`. Every step shows the R call first,
# then mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.6), 60
parser = argparse.ArgumentParser(description="Complete, no and partial pooling")
parser.add_argument("--data", help="CSV file with the columns school, math, ses, female (0/1)")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

# %% [markdown]
# ## The data
#
# ```r
# dat <- read.csv("heck2011.csv")
# dat$gender <- factor(dat$female, levels = c(0, 1), labels = c("M", "F"))
# dat$school <- factor(dat$school)
# ```

# %%
if options.data:
    dat = pd.read_csv(options.data, encoding="utf-8-sig")
    dat["gender"] = mlpool.factor(dat["female"], levels=[0, 1], labels=["M", "F"])
    dat["school"] = mlpool.factor(dat["school"])
else:
    dat = mlpool.load_data("hsb82")
print(f"{len(dat)} students in {dat['school'].nunique()} schools")

# %% [markdown]
# ## Complete pooling
#
# One regression for everybody. Clustering is a nuisance that is put right in the standard errors:
# the sandwich estimator lets residuals of one school be correlated.
#
# ```r
# ols <- lm(math ~ 1 + ses + gender, data = dat)
# model_parameters(ols)
# model_parameters(ols, vcov = "vcovCL", vcov_args = list(cluster = dat$school))
# ```

# %%
ols = mlpool.lm("math ~ 1 + ses + gender", dat)
naive = mlpool.model_parameters(ols)
clustered = mlpool.model_parameters(ols, vcov="vcovCL", cluster="school")
print(naive)
print()
print(clustered)

# %%
for name, before, after in zip(naive["Parameter"], naive["SE"], clustered["SE"], strict=True):
    print(f"SE of {name}: {before:.2f} -> {after:.2f}")

# %% [markdown]
# What the model says, with clustered bands:
#
# ```r
# pred <- estimate_relation(ols, by = c("ses", "gender"),
#   vcov = "vcovCL", vcov_args = list(cluster = dat$school))
# plot(pred) + labs(y = "math")
# ```

# %%
pred = mlpool.estimate_relation(ols, by=["ses", "gender"], vcov="vcovCL", cluster="school")
mlpool.plot(pred) + p9.labs(y="math")

# %% [markdown]
# ## No pooling, A: every school its own intercept
#
# Schools are controlled for, SES is taken to work alike in all of them: parallel lines.
#
# ```r
# fem_add <- lm(math ~ 1 + ses + school, data = dat)
# estimate_slopes(fem_add, trend = "ses")
# ```

# %%
fem_add = mlpool.lm("math ~ 1 + ses + school", dat)
print(mlpool.estimate_slopes(fem_add, trend="ses"))

# %% [markdown]
# ```r
# lines_add <- estimate_relation(fem_add, by = c("ses", "school"))
# plot(lines_add, line = list(color = "red", alpha = 1/10), ribbon = "none") +
#   theme(legend.position = "none") + labs(title = "Additive", y = "math")
# ```

# %%
lines_add = mlpool.estimate_relation(fem_add, by=["ses", "school"])
(
    mlpool.plot(lines_add, line={"color": "red", "alpha": 1 / 10}, ribbon="none")
    + p9.theme(legend_position="none")
    + p9.labs(title="Additive", y="math")
)

# %% [markdown]
# ## No pooling, B: every school its own intercept and slope
#
# ```r
# fem_int <- lm(math ~ ses * school, data = dat)
# estimate_slopes(fem_int, trend = "ses", by = "school")
# ```
#
# R prints a row per school; the first ten are enough here.

# %%
fem_int = mlpool.lm("math ~ ses * school", dat)
slopes = mlpool.estimate_slopes(fem_int, trend="ses", by="school")
text = str(slopes).split("\n")
print("\n".join([*text[:14], "...", "", *text[-2:]]))

# %%
lines_int = mlpool.estimate_relation(fem_int, by=["ses", "school"])
(
    mlpool.plot(lines_int, line={"color": "blue", "alpha": 1 / 10}, ribbon="none")
    + p9.theme(legend_position="none")
    + p9.labs(y="math")
)

# %% [markdown]
# ## The dilemma of many tests
#
# A test per school: some fall below .05 by chance alone. Correcting for their number costs power.
#
# ```r
# sum(slopes$p < .05); sum(p.adjust(slopes$p, "holm") < .05); sum(p.adjust(slopes$p, "fdr") < .05)
# ```

# %%
p = slopes["p"]
print(f"{len(p)} tests, {0.05 * len(p):.0f} expected below .05 by chance")
for method in ("none", "holm", "fdr"):
    print(f"{method:5s}{(mlpool.p_adjust(p, method) < 0.05).sum():4d} below .05")

# %% [markdown]
# ## A small sample
#
# School A: three students, mean 95. School B: a hundred students, mean 72. All schools: 70. Suppose
# schools differ with SD 5 and students with SD 10 about their school's mean:

# %%
activity = mlpool.pooling_estimate([95, 72], [3, 100], tau2=5**2, sigma2=10**2, grand=70)
print(activity[["n", "mean", "lambda", "EB"]].round(2).set_index(pd.Index(["A", "B"])))

# %% [markdown]
# ## Partial pooling
#
# Schools are draws from a population of schools. Their lines have a distribution, and a school with
# few students borrows strength from the others.
#
# ```r
# mlm <- lmer(math ~ 1 + (1 | school), data = dat)
# model_parameters(mlm)
# ```

# %%
mlm = mlpool.lmer("math ~ 1 + (1 | school)", dat)
print(mlpool.model_parameters(mlm))

# %% [markdown]
# The twenty smallest schools, from no pooling to partial pooling. The lecture draws this by hand in
# ggplot2.

# %%
mlpool.plot_shrinkage(mlm, n=20) + p9.labs(x="Mean of math", y="School")

# %% [markdown]
# ## The mechanics of shrinkage
#
# Est_j = lambda_j mean_j + (1 - lambda_j) grand mean, with the reliability
# lambda_j = tau^2 / (tau^2 + sigma^2 / n_j).

# %%
schools = dat.groupby("school", observed=True)["math"].agg(n="size", mean="mean")
tau2, sigma2 = mlpool.VarCorr(mlm).to_frame()["vcov"]
grand = mlpool.fixef(mlm)["(Intercept)"]
schools["lambda"] = mlpool.shrinkage(schools["n"], tau2, sigma2)
schools["estimate"] = schools["lambda"] * schools["mean"] + (1 - schools["lambda"]) * grand
gap = np.abs(schools["estimate"].to_numpy() - mlpool.coef(mlm)["school"]["(Intercept)"].to_numpy())
print(schools.sort_values("n", kind="stable").head(6).round(4))
print(f"\ngrand mean {grand:.3f}; the formula is coef() in all schools: {gap.max() < 1e-5}")

# %% [markdown]
# ## The three side by side
#
# R needs three models and some bookkeeping for this table; here it is one call.

# %%
comparison = mlpool.compare_pooling("math ~ ses + gender", dat, group="school")
print(comparison.coefficients)

# %%
comparison.plot(kind="lines") + p9.theme(figure_size=(7, 2.8))
