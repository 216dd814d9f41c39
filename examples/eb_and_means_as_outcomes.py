# %% [markdown]
# # Empirical Bayes estimates, and means as outcomes
#
# A port of the second half of EDUC 231D, lecture 4. First: what is the best guess of one school's
# true mean? Then: what makes schools' means differ?
#
# Run it: `python examples/eb_and_means_as_outcomes.py`. Every step shows the R call first, then
# mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.6), 60
parser = argparse.ArgumentParser(description="Empirical Bayes estimates and means as outcomes")
parser.add_argument("--data", help="CSV file with the columns school, math, ses, public (0/1)")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

# %% [markdown]
# ## Part 1: empirical Bayes estimates of 20 school means
#
# Sizes and means of the lecture's TIMSS schools, and its variance components.

# %%
SCHOOLS = """
5036 41 484.25  5049 16 485.51  5050 33 535.46  5058 42 378.48  5103 29 448.60
5110 41 619.35  5112 37 375.71  5128 26 421.43  5143 22 561.16  5181 51 425.34
5182 38 506.35  5198 18 520.70  5199 36 475.74  5215 33 469.31  5239 21 413.62
5244 29 486.36  5252 38 529.84  5269 51 528.36  5271 22 479.34  5275 37 510.69
"""
cells = SCHOOLS.split()
sizes, means = np.array(cells[1::3], dtype=int), np.array(cells[2::3], dtype=float)
TAU2, SIGMA2 = 3557.715, 5439.9

# %% [markdown]
# A school's observed mean is one estimate of its true mean, the grand mean another. The weighted
# average with the reliability lambda_j = tau^2 / (tau^2 + sigma^2 / n_j) is better than both.
#
# ```r
# lambda <- tau2 / (tau2 + sigma2 / n)
# EB <- lambda * schmath + (1 - lambda) * fixef(m1)
# ```

# %%
table = mlpool.pooling_estimate(means, sizes, TAU2, SIGMA2)
table.insert(0, "idschool", cells[::3])
columns = ["idschool", "n", "mean", "V", "Delta", "lambda", "EB"]
print(table[columns].round(2).to_string(index=False))

# %% [markdown]
# Its variance has two parts: what is left after weighing both estimates, and the error of the grand
# mean itself, V*_j = (1 / V_j + 1 / tau^2)^-1 + (1 - lambda_j)^2 / sum(1 / Delta_j).

# %%
print(table[["idschool", "EB", "EB_var", "EB_low", "EB_high"]].head(4).round(2).to_string())

# %%
ordered = table.sort_values("EB")
ordered["idschool"] = pd.Categorical(ordered["idschool"], ordered["idschool"])
(
    p9.ggplot(ordered, p9.aes("idschool", "EB", ymin="EB_low", ymax="EB_high"))
    + p9.geom_hline(yintercept=482.757, linetype="dashed", color="grey")
    + p9.geom_pointrange(size=0.3)
    + p9.coord_flip()
    + p9.labs(x="School", y="EB estimate and 95 % interval")
    + mlpool.theme_mlpool()
)

# %% [markdown]
# ## Part 2: means as outcomes
#
# Do private schools reach more? The lecture's children (ECLS-K:2011) are not public; the bundled
# High School and Beyond students ask the same question of Catholic and public schools.

# %%
if options.data:
    dat = pd.read_csv(options.data, encoding="utf-8-sig")
    sector = dat.groupby("school")["public"].transform("max")
    dat["sector"] = mlpool.factor(1 - sector, levels=[0, 1], labels=["Public", "Other"])
    dat["meanses"] = dat.groupby("school")["ses"].transform("mean")
else:
    dat = mlpool.load_data("hsb82")
dat["school"] = mlpool.factor(dat["school"])
other = dat["sector"].cat.categories[1]
print(f"{len(dat)} students, {dat['school'].nunique()} schools")

# %% [markdown]
# Describe the schools, not the students:
#
# ```r
# library(table1); table1(~ schmath + schses | sector, data = schools)
# ```

# %%
print(mlpool.table_one(dat, ["math", "ses"], by="sector", group="school"))

# %% [markdown]
# ### Naive approach 1: students
#
# ```r
# as_flextable(lm(math ~ sector, data = dat))
# ```
#
# Every student counts as independent: the standard error is too small.

# %%
students = mlpool.lm("math ~ sector", dat)
print(mlpool.summary_table(students))

# %% [markdown]
# ### Naive approach 2: school means
#
# ```r
# schools <- aggregate(math ~ school + sector, data = dat, FUN = mean)
# as_flextable(lm(math ~ sector, data = schools))
# ```
#
# Honest about the number of schools, but a mean of 14 students weighs as much as one of 67.

# %%
schools = dat.groupby(["school", "sector"], observed=True, as_index=False)["math"].mean()
of_means = mlpool.lm("math ~ sector", schools)
print(mlpool.summary_table(of_means))

# %% [markdown]
# Its standard error of the difference is the residual SD over the root of the predictor's sum of
# squares:

# %%
s = (schools["sector"] == other).to_numpy(float)
print(f"{of_means.sigma / np.sqrt(np.sum((s - s.mean()) ** 2)):.3f}")

# %% [markdown]
# ### The multilevel model
#
# ```r
# m2 <- lmer(math ~ sector + (1 | school), data = dat)   # lmerTest
# as_flextable(m2); model_parameters(m2, ci_method = "satterthwaite")
# ```

# %%
m2 = mlpool.lmer("math ~ sector + (1 | school)", dat)
print(mlpool.summary_table(m2))
print()
print(mlpool.model_parameters(m2, ci_method="satterthwaite", digits=3))

# %% [markdown]
# Three answers to one question:

# %%
print(mlpool.compare_parameters(students=students, means=of_means, multilevel=m2, select="se"))

# %% [markdown]
# ### Exercise: is it the sector, or the families?
#
# The schools' mean SES, a level-2 predictor, is put beside the sector.
#
# ```r
# m3 <- lmer(math ~ sector + meanses + (1 | school), data = dat)
# ```

# %%
m3 = mlpool.lmer("math ~ sector + meanses + (1 | school)", dat)
print(mlpool.model_parameters(m3, ci_method="satterthwaite", digits=3))
before, after = (m.fixef()[f"sector{other}"] for m in (m2, m3))
print(f"\nDifference between the sectors: {before:.2f}, at equal mean SES: {after:.2f}")

# %%
schools = dat.groupby(["school", "sector"], observed=True, as_index=False)[["math", "meanses"]]
(
    p9.ggplot(schools.mean(), p9.aes("meanses", "math", color="sector"))
    + p9.geom_point(alpha=0.6)
    + p9.geom_smooth(method="lm", se=False)
    + p9.scale_color_manual(values=["#0072B2", "#D55E00"])
    + p9.labs(x="School mean SES", y="School mean of math")
    + mlpool.theme_mlpool()
)
