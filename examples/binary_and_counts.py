# %% [markdown]
# # Yes or no, and how many: generalised mixed models
#
# Outcomes that are 0 or 1, or counts, have no residual variance of their own: their mean decides
# it. What changes: the scale on which effects add up, what "the average" means, and how to see
# that a model is too sure.
#
# Run it: `python examples/binary_and_counts.py`. Every step shows R's call first, then mlpool's.

# %%
import numpy as np
import pandas as pd
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.2), 60
schools = mlpool.load_data("hsb82")
schools["high"] = (schools["math"] >= 20).astype(int)
print(schools.groupby("sector", observed=True)["high"].mean().round(3))

# %% [markdown]
# ## A logistic model
#
# Which students score 20 or more? Log odds are linear in social status, and schools shift them.
#
# ```r
# m <- glmer(high ~ ses + sector + (1 | school), hsb, family = binomial)
# model_parameters(m, exponentiate = TRUE)
# ```

# %%
m = mlpool.glmer("high ~ ses + sector + (1 | school)", schools, family="binomial")
print(mlpool.model_parameters(m, exponentiate=True))

# %% [markdown]
# An odds ratio is for students of one school, and it says nothing about how likely something is.
# Probabilities do.
#
# ```r
# estimate_relation(m, by = c("ses", "sector"))
# ```

# %%
mlpool.plot(mlpool.estimate_relation(m, by=["ses", "sector"]))

# %% [markdown]
# ## Two averages
#
# The probability in a typical school (random effect zero) is not the share of all students: the
# curve bends, so that schools above and below do not cancel. `predict="averaged"` integrates over
# schools.
#
# ```r
# estimate_means(m, by = "sector")
# ```

# %%
typical = mlpool.estimate_means(m, by="sector")
averaged = mlpool.estimate_means(m, by="sector", predict="averaged")
print(pd.DataFrame({"sector": typical["sector"], "typical": typical["Probability"],
                    "averaged": averaged["Probability"]}).round(3))  # fmt: skip

# %% [markdown]
# ## How alike are students of one school?
#
# On the scale of log odds a logistic distribution has the variance pi^2 / 3, which takes the place
# of the residual variance in the ICC.
#
# ```r
# icc(m); r2(m)
# ```

# %%
print(mlpool.icc(m), end="\n\n")
print(mlpool.r2(m))

# %% [markdown]
# ## Counts out of totals
#
# 15 herds of cattle in four periods, with the number of sick animals out of the herd (`cbpp`). The
# outcome is a pair of columns.
#
# ```r
# g <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial)
# pairs(emmeans(g, ~ period), type = "response")
# ```

# %%
cbpp = mlpool.load_data("cbpp")
outcome = "cbind(incidence, size - incidence)"
g = mlpool.glmer(f"{outcome} ~ period + (1 | herd)", cbpp, family="binomial")
print(mlpool.model_parameters(g, exponentiate=True, effects="fixed"), end="\n\n")
print(mlpool.estimate_means(g, by="period"))

# %%
mlpool.plot(mlpool.estimate_means(g, by="period"))

# %% [markdown]
# ## Counts, and a model that is too sure
#
# Visits of 40 people in eight weeks, treated in every other one, made up: people differ, and so do
# weeks of one person, beyond what a Poisson distribution lets them.
#
# ```r
# p <- glmer(visits ~ treated + (1 | person), d, family = poisson)
# check_overdispersion(p)
# ```

# %%
rng = np.random.default_rng(4)
person, week = np.repeat(np.arange(40), 8), np.tile(np.arange(8), 40)
treated = week % 2
log_mean = 1 - 0.4 * treated + rng.normal(0, 0.5, 40)[person] + rng.normal(0, 0.6, len(person))
d = pd.DataFrame({"visits": rng.poisson(np.exp(log_mean)), "treated": treated, "person": person})
p = mlpool.glmer("visits ~ treated + (1 | person)", d, family="poisson")
print(mlpool.check_overdispersion(p))

# %% [markdown]
# An effect of every row takes up what varies between weeks, and the standard error says so.
#
# ```r
# d$row <- seq_len(nrow(d))
# update(p, . ~ . + (1 | row))
# ```

# %%
d["row"] = np.arange(len(d))
q = mlpool.glmer("visits ~ treated + (1 | person) + (1 | row)", d, family="poisson")
for name, model in {"Poisson": p, "with rows": q}.items():
    print(f"{name:10} treated {model.params['treated']:.2f}, SE {model.bse['treated']:.2f}")
print(mlpool.compare_performance(p, q))

# %% [markdown]
# The rate ratio is the same in every unit of time; with weeks of unequal length
# `offset(log(days))` makes it one per day.

# %%
print(mlpool.model_parameters(q, exponentiate=True, effects="fixed"))
