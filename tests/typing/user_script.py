"""What a user writes, with the types that a checker and an editor must know of it."""

from __future__ import annotations

import tempfile
from typing import Any, assert_type

import pandas as pd
from plotnine import ggplot

import mlpool
from mlpool.models import (
    AnyModel,
    GeneralizedLinearMixedModel,
    GeneralizedLinearModel,
    LinearMixedModel,
    LinearModel,
)
from mlpool.results import ResultFrame
from mlpool.summaries import Summary

schools = mlpool.load_data("hsb82")
assert_type(schools, pd.DataFrame)
herds = mlpool.load_data("cbpp")
answer = "cbind(incidence, size - incidence) ~ period"

flat = mlpool.lm("math ~ ses * gender", schools, vcov="CR2", cluster="school")
assert_type(flat, LinearModel)
odds = mlpool.glm(answer, herds, family="binomial")
assert_type(odds, GeneralizedLinearModel)
mixed = mlpool.lmer("math ~ ses + (1 | school)", schools, REML=False, na_action="omit")
assert_type(mixed, LinearMixedModel)
herd = mlpool.glmer(f"{answer} + (1 | herd)", herds, family="binomial", nAGQ=1)
assert_type(herd, GeneralizedLinearMixedModel)
some = mlpool.fit("math ~ ses + (1 | school)", schools.to_dict("list"), engine="auto")
assert_type(some, AnyModel)
if isinstance(some, LinearMixedModel):
    effects = some.ranef()  # of rows elsewhere with many levels: their engine's own lazy frame
    assert_type(effects["school"], pd.DataFrame | Any)

assert_type(mlpool.model_parameters(mixed, ci=0.9, ci_method="satterthwaite"), ResultFrame)
assert_type(mlpool.model_parameters(mixed, ddf="Satterthwaite"), ResultFrame)
assert_type(mlpool.lm("math ~ ses", schools, cov_type="CR2", clusters="school"), LinearModel)
assert_type(mlpool.estimate_means(odds, "period", type="response"), ResultFrame)
assert_type(mlpool.vcov(flat, cov_type="CR0", clusters="school"), pd.DataFrame)
assert_type(mlpool.coef_test(flat, test_statistic="z"), ResultFrame)
assert_type(mlpool.anova(mixed, ci_method="satterthwaite"), ResultFrame)
assert_type(mlpool.drop1(mixed, df_method="satterthwaite"), ResultFrame)
assert_type(mlpool.summary(mixed, df_method="satterthwaite"), Summary)
assert_type(mlpool.estimate_link(mixed, "ses", df_method="residual"), ResultFrame)
assert_type(mixed.parameters(effects="fixed", digits=3), ResultFrame)
assert_type(mlpool.anova(flat, mixed, refit=False), ResultFrame)
assert_type(mlpool.predict(herd, type="response", re_form=False), pd.Series)
assert_type(mlpool.estimate_means(mixed, "ses = [0, 1]"), ResultFrame)
assert_type(mlpool.plot(mlpool.estimate_means(mixed, "ses"), line={"color": "red"}), ggplot)
assert_type(mlpool.summary(mixed, ddf="satterthwaite"), Summary)
assert_type(mixed.refit(mixed.simulate(seed=1)), LinearMixedModel)
with tempfile.TemporaryDirectory() as folder:
    assert_type(mlpool.load_model(mixed.save(f"{folder}/schools.mlpool")), AnyModel)
assert_type(odds.family.link, str)
assert_type(mixed.aic, float)
