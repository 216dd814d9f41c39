# %% [markdown]
# # Growth curves: every child a line
#
# 27 children were measured at 8, 10, 12 and 14 years (Pinheiro & Bates 2000: a distance in the
# jaw, in millimetres). Three questions: how fast does a child grow, how much do children differ in
# that, and do girls grow more slowly than boys?
#
# Run it: `python examples/growth_curves.py`. Every step shows R's call first, then mlpool's.

# %%
import plotnine as p9

import mlpool

p9.options.figure_size, p9.options.dpi = (5.5, 3.2), 60
jaws = mlpool.load_data("Orthodont")
print(jaws.head(4))

# %% [markdown]
# ## Look first
#
# A line per child shows what a model has to say: level, slope, and how far points stand from
# lines.
#
# ```r
# ggplot(Orthodont, aes(age, distance, group = Subject)) + geom_line() + facet_wrap(~Sex)
# ```

# %%
(
    p9.ggplot(jaws, p9.aes("age", "distance", group="Subject"))
    + p9.geom_line(alpha=0.5)
    + p9.facet_wrap("Sex")
    + mlpool.theme_mlpool()
)

# %% [markdown]
# ## Where is zero?
#
# The intercept is the distance at age 0, which nobody measured, and its variance is that of lines
# drawn back to birth. Ages about 11 make the intercept the middle of the data.
#
# ```r
# Orthodont$age11 <- Orthodont$age - 11
# ```

# %%
jaws["age11"] = jaws["age"] - 11

# %% [markdown]
# ## The unconditional growth model
#
# Level 1 is a child's line, level 2 what children's lines have in common.
#
# ```r
# m1 <- lmer(distance ~ age11 + (age11 | Subject), Orthodont)
# m0 <- lmer(distance ~ age11 + (1 | Subject), Orthodont)
# anova(m0, m1, refit = FALSE)
# ```

# %%
m1 = mlpool.lmer("distance ~ age11 + (age11 | Subject)", jaws)
m0 = mlpool.lmer("distance ~ age11 + (1 | Subject)", jaws)
print(mlpool.VarCorr(m1), end="\n\n")
print(mlpool.test_likelihoodratio(m0, m1))

# %% [markdown]
# Children differ by about 2 mm at eleven. Whether their slopes differ is less sure than the table
# says: a variance cannot be negative, and the chi-square that tests it is too cautious. The test
# by simulation is not.
#
# ```r
# PBmodcomp(m1, m0)
# ```

# %%
print(mlpool.anova(m0, m1, bootstrap=100, seed=1))

# %% [markdown]
# ## Do girls grow more slowly?
#
# A cross-level interaction: sex, of the child, changes the slope of age, within the child. Degrees
# of freedom are those of children where children are compared.
#
# ```r
# m2 <- lmer(distance ~ age11 * Sex + (age11 | Subject), Orthodont)
# model_parameters(m2, ci_method = "satterthwaite")
# estimate_slopes(m2, trend = "age11", by = "Sex")
# ```

# %%
m2 = mlpool.lmer("distance ~ age11 * Sex + (age11 | Subject)", jaws)
print(mlpool.model_parameters(m2, ci_method="satterthwaite"), end="\n\n")
print(mlpool.estimate_slopes(m2, trend="age11", by="Sex"))

# %%
mlpool.plot(mlpool.estimate_relation(m2, by=["age11", "Sex"]))

# %% [markdown]
# ## Every child's line, pooled
#
# Four points give a line that is mostly chance. Partial pooling moves it towards the others,
# furthest where it stands out: each arrow is a child.
#
# ```r
# coef(m1)$Subject
# ```

# %%
print(mlpool.coef(m1)["Subject"].head(4).round(2))

# %%
mlpool.plot_shrinkage(m1, kind="map")

# %% [markdown]
# ## Are errors alike, and independent in time?
#
# Boys' points scatter more about their lines than girls' (nlme's `varIdent`); and neighbouring
# ages could resemble each other beyond the line (`corAR1`). Both are models to compare.
#
# ```r
# l1 <- lme(distance ~ age11 * Sex, Orthodont, ~ age11 | Subject)
# l2 <- update(l1, weights = varIdent(form = ~ 1 | Sex))
# anova(l1, l2)
# ```

# %%
l1 = mlpool.lme("distance ~ age11 * Sex", jaws, random="~ age11 | Subject")
l2 = mlpool.lme(
    "distance ~ age11 * Sex", jaws, random="~ age11 | Subject", weights="varIdent(form = ~ 1 | Sex)"
)
print(mlpool.anova(l1, l2))

# %% [markdown]
# Errors differ by sex, and the answer about growth does not: a model may be wrong in one part and
# right in the one that was asked about. Look at both.

# %%
print(mlpool.compare_parameters(alike=l1, by_sex=l2))
