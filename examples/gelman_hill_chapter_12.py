# %% [markdown]
# # Multilevel linear models: varying intercepts
#
# A port of notes on Gelman & Hill (2007), chapter 12. Their radon measurements in the counties of
# Minnesota are students in schools here: the same formulas hold for any groups.
#
# Run it: `python examples/gelman_hill_chapter_12.py`. Every step shows the R call first, then
# mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.6), 60
parser = argparse.ArgumentParser(description="Gelman & Hill, chapter 12")
parser.add_argument("--data", help="CSV file with the columns school, math, ses")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

if options.data:
    dat = pd.read_csv(options.data, encoding="utf-8-sig")
    dat["school"] = mlpool.factor(dat["school"])
else:
    dat = mlpool.load_data("hsb82")
print(f"{len(dat)} students in {dat['school'].nunique()} schools")

# %% [markdown]
# ## Partial pooling without predictors
#
# Complete pooling ignores that groups differ; no pooling believes every group's mean, also one of
# few rows. The compromise is a weighted mean of both, weights by the information in each:
# n_j / sigma_y^2 for the group, 1 / sigma_alpha^2 for the mean of all.
#
# ```r
# mod <- lmer(math ~ 1 + (1 | school), data = dat)
# display(mod)      # package arm
# ```

# %%
mod = mlpool.lmer("math ~ 1 + (1 | school)", dat)
print(mlpool.display(mod))

# %% [markdown]
# `fixef` is the mean of all, `ranef` a group's deviation from it, `coef` their sum.
#
# ```r
# fixef(mod); ranef(mod)$school; coef(mod)$school
# ```

# %%
print(f"{mlpool.fixef(mod)['(Intercept)']:.5f}\n")
print(mlpool.ranef(mod)["school"].head(3).to_string(float_format="{:.5f}".format), "\n")
print(mlpool.coef(mod)["school"].head(6).to_string(float_format="{:.5f}".format))

# %% [markdown]
# The same numbers by the formula of the weighted mean:

# %%
sigma2_alpha, sigma2_y = mlpool.VarCorr(mod).to_frame()["vcov"]
groups = dat.groupby("school", observed=True)["math"].agg(n="size", mean="mean")
by_hand = mlpool.pooling_estimate(groups["mean"], groups["n"], sigma2_alpha, sigma2_y)
gap = np.abs(by_hand["EB"].to_numpy() - mlpool.coef(mod)["school"]["(Intercept)"].to_numpy())
print(by_hand[["n", "mean", "lambda", "EB"]].head(6).round(4).to_string())
print(f"agrees with coef() to 1e-5 in all {len(gap)} groups: {gap.max() < 1e-5}")

# %% [markdown]
# Small groups stand apart in no pooling; partial pooling calms them.

# %%
comparison = mlpool.compare_pooling("math ~ 1", dat, group="school")
comparison.plot(kind="size") + p9.labs(x="Students per school", y="Mean of math")

# %% [markdown]
# ## Partial pooling with a predictor
#
# ```r
# complete <- lm(math ~ ses, data = dat)
# no       <- lm(math ~ ses + school - 1, data = dat)
# partial  <- lmer(math ~ ses + (1 | school), data = dat)
# ```
#
# One call fits the three to the same rows:

# %%
three = mlpool.compare_pooling("math ~ ses", dat, group="school")
print(three.coefficients)

# %% [markdown]
# Eight schools from the smallest to the largest, each with its three lines (figures 12.2 and 12.4
# of the book):

# %%
three.plot(kind="panels", n=8) + p9.theme(figure_size=(7, 4.4))

# %% [markdown]
# ## A note on formulas
#
# In R `(a + b + c)^2 - a:b` is `a + b + c + b:c + a:c`, and `- 1` takes the intercept out. mlpool
# reads formulas by the same algebra.

# %%
rng = np.random.default_rng(1)
frame = pd.DataFrame(rng.normal(size=(6, 4)), columns=["y", "a", "b", "c"])
print(", ".join(mlpool.model_matrix("y ~ (a + b + c)^2 - a:b", frame).columns))
print(", ".join(mlpool.model_matrix("y ~ a - 1", frame).columns))
dummies = mlpool.lm("math ~ school - 1", dat)
print(f"{len(dummies.fixef())} dummies for {dat['school'].nunique()} schools")

# %% [markdown]
# ## The average line and the two variances
#
# The notes' example: y = 1.46 - 0.69 x, residual SD 0.76, SD of intercepts 0.33. The ratio of the
# variances says how many rows of its own a group needs to count as much as the other groups do.

# %%
sigma_y, sigma_alpha = 0.76, 0.33
print(f"ratio {mlpool.variance_ratio(sigma_alpha**2, sigma_y**2):.2f}")
print(f"worth {mlpool.equivalent_n(sigma_alpha**2, sigma_y**2):.2f} measurements")
print(f"ICC   {sigma_alpha**2 / (sigma_alpha**2 + sigma_y**2):.3f}")

# %% [markdown]
# A group of more than five rows lies nearer to its own line, one of fewer nearer to the common one.
# With sigma_alpha towards 0 all groups get the common line, towards infinity each its own:

# %%
n = np.array([1, 2, 5, 10, 50])
for sd in (0.01, 0.33, 100.0):
    weights = mlpool.shrinkage(n, sd**2, sigma_y**2)
    print(f"sigma_alpha {sd:6.2f}: own weight for n = 1, 2, 5, 10, 50:", weights.round(2))

# %% [markdown]
# ICC 0: a group says nothing about its members; ICC 1: all members of a group are equal.

# %%
mlpool.plot_icc([0.05, 0.5, 0.95]) + p9.theme(figure_size=(7, 2.8))

# %% [markdown]
# ## Five ways to write one model
#
# Varying coefficients, local regressions tied by a second level, one large regression whose dummies
# have a distribution, several error terms, or correlated errors: five readings of
#
# ```r
# partial <- lmer(math ~ ses + (1 | school), data = dat)
# ```
#
# The first 20 schools show that two of them, seemingly far apart, are the same.

# %%
first = dat["school"].cat.categories[:20]
some = dat[dat["school"].isin(first)].copy()
some["school"] = some["school"].cat.remove_unused_categories()
partial = mlpool.lmer("math ~ ses + (1 | school)", some)
tau2, sigma2 = mlpool.VarCorr(partial).to_frame()["vcov"]
y = some["math"].to_numpy()
X = np.column_stack([np.ones(len(some)), some["ses"]])
Z = pd.get_dummies(some["school"]).to_numpy(float)

# (5) correlated errors: least squares with V = tau^2 Z Z' + sigma^2 I
V = tau2 * Z @ Z.T + sigma2 * np.eye(len(y))
information = X.T @ np.linalg.solve(V, X)
gls = np.linalg.solve(information, X.T @ np.linalg.solve(V, y))
se = np.sqrt(np.diag(np.linalg.inv(information)))

# (3) one regression on X and all dummies, these with the prior N(0, tau^2)
W = np.column_stack([X, Z])
penalty = np.diag(np.r_[0.0, 0.0, np.full(Z.shape[1], sigma2 / tau2)])
large = np.linalg.solve(W.T @ W + penalty, W.T @ y)

print("lmer               ", partial.fixef().to_numpy().round(6), partial.se.to_numpy().round(6))
print("correlated errors  ", gls.round(6), se.round(6))
print("one large regression", large[:2].round(6))
effects = mlpool.ranef(partial)["school"]["(Intercept)"].to_numpy()
print("its dummies are ranef():", np.allclose(large[2:], effects, atol=1e-5))
