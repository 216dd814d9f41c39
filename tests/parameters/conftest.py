"""Models on bundled data that several tests of tables share."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import mlpool


@pytest.fixture(scope="session")
def sleepstudy() -> pd.DataFrame:
    return mlpool.load_data("sleepstudy")


@pytest.fixture(scope="session")
def sleep_model(sleepstudy: pd.DataFrame) -> Any:
    return mlpool.lmer("Reaction ~ Days + (1 + Days | Subject)", sleepstudy)


@pytest.fixture(scope="session")
def sleep_intercepts(sleepstudy: pd.DataFrame) -> Any:
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleepstudy)


@pytest.fixture(scope="session")
def sleep_lm(sleepstudy: pd.DataFrame) -> Any:
    return mlpool.lm("Reaction ~ Days", sleepstudy)


@pytest.fixture(scope="session")
def cbpp_glm() -> Any:
    formula = "cbind(incidence, size - incidence) ~ period"
    return mlpool.glm(formula, mlpool.load_data("cbpp"), family="binomial")


@pytest.fixture(scope="session")
def hsb_model() -> Any:
    return mlpool.lm("math ~ ses * gender", mlpool.load_data("hsb82"))
