"""`contrast_inference`: combinations of coefficients agree with the tables of single ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlpool
from mlpool.errors import OptionError
from mlpool.hypotheses.linear_combinations import contrast_inference


@pytest.fixture(scope="module")
def schools() -> Any:
    return mlpool.load_data("hsb82")


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("math ~ ses + gender", {}),
        ("math ~ ses + gender", {"vcov": "vcovCL", "cluster": "school"}),
        ("math ~ ses + gender", {"ci_method": "normal"}),
        ("math ~ ses + gender + (ses | school)", {}),
        ("math ~ ses + gender + (ses | school)", {"ci_method": "satterthwaite"}),
        ("math ~ ses + gender + (ses | school)", {"ci_method": "kr"}),
    ],
)
def test_unit_rows_are_the_coefficients_table(
    schools: Any, formula: str, options: dict[str, Any]
) -> None:
    m = mlpool.fit(formula, schools)
    table = mlpool.model_parameters(m, effects="fixed", **options).to_pandas()
    parts = contrast_inference(m, np.eye(3), **options)
    assert parts.estimate == pytest.approx(table["Coefficient"].to_numpy())
    assert parts.se == pytest.approx(table["SE"].to_numpy())
    assert parts.statistic == "t"
    if options.get("ci_method") == "normal":
        assert np.isinf(parts.df).all()
    else:
        assert parts.df == pytest.approx(table["df_error"].to_numpy())


def test_combination_equals_a_model_that_has_it_as_coefficient(schools: Any) -> None:
    """With the other level as reference, the intercept is a sum of the first model's."""
    first = mlpool.fit("math ~ gender + (1 | school)", schools)
    second = mlpool.fit("math ~ 0 + gender + (1 | school)", schools)
    for method in ("satterthwaite", "kenward"):
        total = contrast_inference(first, [[1.0, 1.0]], ci_method=method)
        own = contrast_inference(second, [[0.0, 1.0]], ci_method=method)
        assert total.estimate == pytest.approx(own.estimate)
        assert total.se == pytest.approx(own.se)
        assert total.df == pytest.approx(own.df, rel=1e-5)


def test_glm_is_z_and_wald() -> None:
    m = mlpool.glm("I(Reaction > 300) ~ Days", mlpool.load_data("sleepstudy"), family="binomial")
    parts = contrast_inference(m, [0.0, 1.0])
    assert (parts.statistic, parts.method) == ("z", "wald")
    assert np.isinf(parts.df).all()


def test_covariance_chosen_at_fit_time_counts(schools: Any) -> None:
    m = mlpool.fit("math ~ ses", schools, cluster="school")
    parts = contrast_inference(m, np.eye(2))
    assert parts.covariance == "vcovCL"
    assert parts.vcov == pytest.approx(m.vcov().to_numpy())


def test_wrong_length(schools: Any) -> None:
    m = mlpool.fit("math ~ ses", schools)
    with pytest.raises(OptionError, match=r"one number per coefficient \(2\); this one has 3"):
        contrast_inference(m, [1.0, 0.0, 0.0])
