# %% [markdown]
# # One-way ANOVA with random effects: the unbalanced case
#
# A port of the first half of EDUC 231D, lecture 4: what was the average mathematics score, and how
# much did schools differ? Schools tested different numbers of students, so their means are known
# with different precision.
#
# Run it: `python examples/unbalanced_anova.py`. Every step shows the R call first, then mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9
from scipy import stats

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.2), 60
parser = argparse.ArgumentParser(description="One-way ANOVA with random effects, unbalanced")
parser.add_argument("--data", help="CSV file with the columns idschool and bsmmatxx, one per row")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

# %% [markdown]
# ## The data: 20 schools
#
# The lecture prints every school's number of students and mean score; the 661 students themselves
# (TIMSS 2019, grade 8, United States) have to be asked for. Students made up to have exactly these
# means, and the lecture's residual variance, give the same model: of a school's rows it uses
# nothing but their number, mean and sum of squares.

# %%
SCHOOLS = """
5036 41 484.25  5049 16 485.51  5050 33 535.46  5058 42 378.48  5103 29 448.60
5110 41 619.35  5112 37 375.71  5128 26 421.43  5143 22 561.16  5181 51 425.34
5182 38 506.35  5198 18 520.70  5199 36 475.74  5215 33 469.31  5239 21 413.62
5244 29 486.36  5252 38 529.84  5269 51 528.36  5271 22 479.34  5275 37 510.69
"""


def students_of(school, n, mean, variance=5440.8):
    """Return n rows with this mean and this variance, exactly."""
    spread = np.linspace(-1, 1, n)
    spread *= np.sqrt((n - 1) * variance / (spread @ spread))
    return pd.DataFrame({"idschool": school, "bsmmatxx": mean + spread})


if options.data:
    td = pd.read_csv(options.data)
else:
    cells = SCHOOLS.split()
    rows = zip(cells[::3], map(int, cells[1::3]), map(float, cells[2::3]), strict=True)
    td = pd.concat([students_of(*row) for row in rows], ignore_index=True)
td["idschool"] = mlpool.factor(td["idschool"])
schools = td.groupby("idschool", observed=True)["bsmmatxx"].agg(n="size", mean="mean")
print(schools.head(4))

# %% [markdown]
# ## Two naive averages
#
# ```r
# mean(td$bsmmatxx)
# mean(school$schmath); var(school$schmath)
# ```
#
# They differ because large schools count more often in the first.

# %%
print(f"mean of {len(td)} students: {td['bsmmatxx'].mean():.2f}")
print(f"mean of {len(schools)} school means: {schools['mean'].mean():.2f}")
print(f"variance of the school means: {schools['mean'].var():,.1f}")

# %% [markdown]
# That variance is too large as an answer to "how much do schools differ": a mean of few students
# also varies by the luck of who was tested.
#
# ## The hierarchical model
#
# Students vary within schools with variance sigma^2, true school means between them with tau^2.
#
# ```r
# m1 <- lmer(bsmmatxx ~ 1 + (1 | idschool), data = td)
# summary(m1)      # with lmerTest, for the degrees of freedom
# ```

# %%
m1 = mlpool.lmer("bsmmatxx ~ 1 + (1 | idschool)", td)
print(m1.summary(ddf="satterthwaite"))

# %% [markdown]
# ```r
# model_parameters(m1, ci_method = "satterthwaite"); icc(m1)
# logLik(m1); AIC(m1); BIC(m1)
# ```

# %%
print(mlpool.model_parameters(m1, ci_method="satterthwaite", digits=3))
print(mlpool.icc(m1))
print(f"\nlog-likelihood {m1.loglik:,.1f}, AIC {m1.aic:,.1f}, BIC {m1.bic:,.1f}")

# %% [markdown]
# The slides show the model as a table for documents:
#
# ```r
# print(as_flextable(m1), preview = "pptx")
# ```

# %%
print(mlpool.summary_table(m1))

# %% [markdown]
# ## How precisely is each school's mean known?
#
# V_j = sigma^2 / n_j is the error variance of school j's mean, SE_j its root. The printed variance
# components of the slides are rounded; with 3557.715 and 5439.9 every printed number comes out.
#
# ```r
# school$V_j <- sigma(m1)^2 / school$n; school$SE_j <- sqrt(school$V_j)
# ```

# %%
TAU2, SIGMA2 = 3557.715, 5439.9
table = mlpool.pooling_estimate(schools["mean"], schools["n"], TAU2, SIGMA2)
table.insert(0, "idschool", schools.index)
print(table[["idschool", "n", "mean", "V", "SE"]].round(2).to_string(index=False))

# %% [markdown]
# The school with 16 students has an error distribution nearly twice as wide as that with 51.

# %%
x = np.linspace(-60, 60, 201)
curves = pd.concat(
    [
        pd.DataFrame(
            {"error": x, "density": stats.norm.pdf(x, 0, np.sqrt(SIGMA2 / n)), "n": str(n)}
        )
        for n in (16, 29, 51)
    ]
)
(
    p9.ggplot(curves, p9.aes("error", "density", color="n"))
    + p9.geom_line()
    + p9.labs(x="Error of a school's mean", y="Density", title="N(0, sigma^2 / n)")
    + mlpool.theme_mlpool()
)

# %% [markdown]
# ## Weighting by precision
#
# A school's observed mean varies about the grand mean with variance Delta_j = tau^2 + V_j. Weights
# 1 / Delta_j make the best unbiased average; with schools of one size they would all be equal.
#
# ```r
# school$D_j <- tau2 + school$V_j
# school$wgtpct <- 100 * (1 / school$D_j) / sum(1 / school$D_j)
# ```

# %%
print(table[["idschool", "n", "mean", "Delta", "weight_pct"]].round(2).to_string(index=False))
mean, se = mlpool.precision_weighted_mean(table["mean"], table["Delta"])
print(f"\nprecision-weighted mean {mean:.3f}, SE {se:.3f}")
print(f"the model's intercept   {m1.fixef().iloc[0]:.3f}, SE {m1.se.iloc[0]:.3f}")

# %% [markdown]
# The mixed model has done the weighting: its intercept is this mean. The shares run from 4.80 % to
# 5.10 % only, because schools differ far more than their means err. When does weighting matter
# more? When sizes differ more, or schools less:

# %%
for tau2 in (3557.715, 300.0, 30.0):
    share = mlpool.pooling_estimate(schools["mean"], schools["n"], tau2, SIGMA2)["weight_pct"]
    print(f"tau^2 = {tau2:8.3f}: weights from {share.min():.2f} % to {share.max():.2f} %")
