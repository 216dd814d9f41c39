# %% [markdown]
# # Pooling and standard errors
#
# A port of a question and its answer on Stack Exchange: why does a mixed model have a *larger*
# standard error than one regression for everybody, but a *smaller* one than a regression with a
# dummy per group? Because three questions are asked of the same rows.
#
# Run it: `python examples/pooling_and_standard_errors.py`. Every step shows the R call first, then
# mlpool's.

# %%
import argparse

import numpy as np
import pandas as pd
import plotnine as p9
from scipy.special import ndtri

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.2), 60
parser = argparse.ArgumentParser(description="Pooling and standard errors")
parser.add_argument("--data", help="CSV file with the columns groups and y; else R's draws")
options = parser.parse_known_args()[0]  # a notebook's kernel has arguments of its own

# %% [markdown]
# ## The data: 20 classes of 10 students
#
# Class means scatter about 1629 with SD 20, students about their class with SD 30.
#
# ```r
# set.seed(0)
# groups <- gl(20, 10)
# y <- 1629 + model.matrix(~ groups - 1) %*% rnorm(20, 0, 20) + rnorm(200, 0, 30)
# ```
#
# NumPy and R share the Mersenne Twister. With R's way to fill its state from a seed, and the normal
# quantile of a uniform number of 53 bits, the draws are R's own.


# %%
def rnorm_of_r(n, seed):
    """Return the standard normal numbers that R gives after set.seed(seed)."""
    congruential = [seed]
    for _ in range(50 + 625):
        congruential.append((69069 * congruential[-1] + 1) % 2**32)
    twister = np.random.MT19937()
    key = np.array(congruential[-624:], dtype=np.uint32)
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 624}}
    uniform = twister.random_raw(2 * n) / 2**32
    return ndtri((np.floor(2**27 * uniform[::2]) + uniform[1::2]) / 2**27)


if options.data:
    df = pd.read_csv(options.data)
else:
    z = rnorm_of_r(220, seed=0)
    df = pd.DataFrame({"groups": np.repeat(np.arange(1, 21), 10)})
    df["y"] = 1629 + np.repeat(20 * z[:20], 10) + 30 * z[20:]
df["groups"] = mlpool.factor(df["groups"])
print(df.head(3).to_string(index=False))

# %% [markdown]
# ## No pooling: a mean for every class
#
# ```r
# no_pooling <- lm(y ~ groups - 1)
# sqrt(diag(vcov(no_pooling)))
# ```

# %%
no_pooling = mlpool.lm("y ~ groups - 1", df)
errors = np.sqrt(np.diag(mlpool.vcov(no_pooling)))
print(f"{errors[0]:.6f} for all {len(errors)} groups: {np.ptp(errors) < 1e-9}")

# %% [markdown]
# Each of these means rests on ten students, so its SE is sigma / sqrt(10).

# %%
print(f"sigma {no_pooling.sigma:.6f} / sqrt(10) = {no_pooling.sigma / np.sqrt(10):.6f}")

# %% [markdown]
# ## Complete pooling: one mean, classes ignored
#
# ```r
# complete_pooling <- lm(y ~ 1, data = df)
# summary(complete_pooling)
# ```

# %%
complete_pooling = mlpool.lm("y ~ 1", df)
print(mlpool.summary(complete_pooling))

# %% [markdown]
# The SE of 2.383 takes 200 students for 200 independent pieces of information.
#
# ## Partial pooling: one mean of a population of classes
#
# ```r
# partial_pooling <- lmer(y ~ 1 + (1 | groups), data = df)
# summary(partial_pooling)
# sqrt(diag(vcov(partial_pooling)))
# ```

# %%
partial_pooling = mlpool.lmer("y ~ 1 + (1 | groups)", df)
print(mlpool.summary(partial_pooling))
print(f"\nSE: {np.sqrt(np.diag(mlpool.vcov(partial_pooling)))[0]:.6f}")

# %% [markdown]
# Now 20 classes are what the mean is learnt from. The question on Stack Exchange shows 0.2443936
# here; R gives 4.716022 for these data, as the answer has it and as mlpool does.
#
# The same model as easystats prints it, and how alike two students of one class are:
#
# ```r
# model_parameters(partial_pooling)
# icc(partial_pooling)
# ```

# %%
print(mlpool.model_parameters(partial_pooling))
print(mlpool.icc(partial_pooling))

# %% [markdown]
# ## Where the three standard errors come from
#
# With psi the variance between classes, theta the variance within them, J classes of n:
#
# | pooling | standard error |
# |---|---|
# | complete | about sqrt((psi + theta) / (J n)) |
# | partial | sqrt((psi + theta / n) / J) |
# | no, of the overall mean | sqrt(theta / (J n)) |
# | no, of one class's mean | sqrt(theta / n) |
#
# ```r
# psi <- VarCorr(partial_pooling)$groups[1]; theta <- sigma(partial_pooling)^2
# sqrt((psi + theta) / 200); sqrt((psi + theta / 10) / 20); sqrt(theta / 200)
# ```

# %%
psi, theta = mlpool.VarCorr(partial_pooling).to_frame()["vcov"]
for name, value in mlpool.se_pooling(psi, theta, J=20, n=10).items():
    print(f"{name:13s}{value:.6f}")

# %% [markdown]
# ## All three at once
#
# R has no single call for this table.

# %%
comparison = mlpool.compare_pooling("y ~ 1", df, group="groups")
print(comparison)

# %% [markdown]
# Every class keeps 82 % of its own deviation (lambda) and is pulled for the rest to the overall
# mean.

# %%
comparison.plot() + p9.labs(title="No pooling to partial pooling", x="y", y="Class")
