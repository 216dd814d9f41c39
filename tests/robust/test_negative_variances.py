"""Clusters by two columns can leave a negative variance: it is said, and can be mended."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mlpool

WAYS = ["a", "b"]

#: R 4.2, sandwich 3.0: diag(vcovCL(m, cluster = d[c("a", "b")])), and roots with fix = TRUE
_VARIANCES = [
    0.07312667047, 0.02065399909, 0.27652985207, -0.14327567556, 0.24729749375, -0.11400552968,
    0.34161202205,
]  # fmt: skip
_FIXED = [
    0.34045065534, 0.15640133148, 0.55443137467, 0.09423689361, 0.55216741147, 0.07953910667,
    0.63866239935,
]  # fmt: skip


def _data() -> pd.DataFrame:
    i = np.arange(60)
    d = pd.DataFrame({"a": (i * 7) % 6, "b": (i * 11 + i // 13) % 5, "x": ((i * 17) % 23) / 7})
    d["y"] = np.round(((i * 29) % 31) / 10 + ((i * i) % 7) / 3, 3)
    return d


@pytest.fixture(scope="module")
def model():
    return mlpool.lm("y ~ x + factor(a)", _data())


def test_a_negative_variance_is_said(model) -> None:
    with pytest.warns(mlpool.FewClustersWarning) as found:
        table = mlpool.model_parameters(model, vcov="vcovCL", cluster=WAYS).to_pandas()
    assert any("a negative variance for factor(a)2, factor(a)4" in str(w.message) for w in found)
    assert any("'fix': True" in str(w.message) for w in found)
    variances = np.where(np.array(_VARIANCES) < 0, np.nan, _VARIANCES)
    np.testing.assert_allclose(table["SE"], np.sqrt(variances), rtol=1e-8)


def test_fix_is_that_of_sandwich(model) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for arguments in (
            {"vcov": "vcovCL", "cluster": WAYS, "vcov_args": {"fix": True}},
            {"vcov_args": {"cluster": WAYS, "fix": True}},
        ):
            table = mlpool.model_parameters(model, **arguments).to_pandas()
            np.testing.assert_allclose(table["SE"], _FIXED, rtol=1e-8)
    assert not any("negative variance" in str(w.message) for w in found)


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
def test_fix_mends_the_clusters_of_the_fit() -> None:
    m = mlpool.lm("y ~ x + factor(a)", _data(), vcov="vcovCL", cluster=WAYS)
    table = mlpool.model_parameters(m, vcov_args={"fix": True}).to_pandas()
    np.testing.assert_allclose(table["SE"], _FIXED, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
def test_no_test_rests_on_a_variance_that_is_rounding(model) -> None:
    table = mlpool.anova(model, cluster=WAYS, vcov_args={"fix": True}).to_pandas()
    assert not (table["F"] > 1e6).any()


def test_mistakes_get_one_sentence(model) -> None:
    with pytest.raises(mlpool.OptionError, match="True or False"):
        mlpool.model_parameters(model, cluster="a", vcov_args={"fix": "yes"})
    with pytest.raises(mlpool.OptionError, match="cluster="):
        mlpool.model_parameters(model, vcov_args={"fix": True})
