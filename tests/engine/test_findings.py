"""Findings about finished fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.lmm.fit import prepare
from mlpool.engine.optimizer.convergence import findings_of, singular_finding, standard_theta
from mlpool.engine.optimizer.diagnostics import diagnose, identification_diagnostic
from mlpool.engine.theta import Template, lower_form
from mlpool.engine.types import Control, Optimum
from tests.engine.designs import make_data, random_data

TEMPLATE = Template((2,))
GOOD = Optimum(
    start=np.ones(3),
    end=np.array([1.0, 0.2, 0.5]),
    criterion=100.0,
    gradient=np.zeros(3),
    evaluations=5,
    converged=True,
    method="test",
)


def codes(optimum, scale=1.0):
    return [d.code for d in diagnose(optimum, TEMPLATE, np.full(3, scale), Control())]


def test_a_good_fit_has_no_findings():
    assert codes(GOOD) == []


def test_findings_come_most_serious_first():
    bad = replace(
        GOOD, converged=False, gradient=np.full(3, 5.0), end=np.array([1.0, 0.2, 1e-5]), message="m"
    )
    assert codes(bad) == ["max_evaluations", "gradient", "singular"]
    assert diagnose(bad, TEMPLATE, np.ones(3), Control())[0].hint == "m"


def test_singularity_is_judged_as_in_lme4_and_the_hint_blames_units():
    near = replace(GOOD, end=np.array([1.0, 0.2, 5e-5]))
    assert codes(near) == ["singular"]
    assert diagnose(near, TEMPLATE, np.ones(3), Control())[0].hint == ""
    (units,) = diagnose(near, TEMPLATE, np.full(3, 0.01), Control())
    assert (units.code, units.value) == ("singular", 5e-5)
    assert "only by the size of a predictor's values" in units.hint
    assert "0.005" in units.hint
    edge = replace(GOOD, end=np.array([1.0, 0.2, 1e-4]))
    assert codes(edge) == []  # lme4: strictly below
    large = replace(GOOD, end=np.array([1.0, 0.2, 1e6]))
    assert codes(large, scale=1e12) == []


def test_a_gradient_on_the_boundary_does_not_count():
    boundary = replace(GOOD, end=np.array([1.0, 0.2, 0.0]), gradient=np.array([0.0, 0.0, 50.0]))
    assert codes(boundary) == ["singular"]


def test_identification():
    assert identification_diagnostic(np.diag([1.0, 100.0])) == ()
    assert identification_diagnostic(np.empty((0, 0))) == ()
    (found,) = identification_diagnostic(np.diag([0.0, 1.0]))
    assert found.code == "nearly_unidentified"
    assert "nearly unidentified" in found.hint


def standards_of(data):
    return prepare(data, reml=True, control=Control()).standards


def test_standard_columns_do_not_know_units_or_zeros():
    data = random_data(4, ([0, 1], [2]), weights=True)
    theta = np.array([0.6, -0.2, 0.3, 0.5])
    template = Template((2, 1))
    expected = standard_theta(template, standards_of(data), theta)
    # x in units of 1e-6 and 5,000 of them away, weights in units of 100, z in units of 1e6
    X = data.X.array * np.array([1, 1e6, 1e-6, 1]) + np.array([0, 5e9, 0, 0])
    moved = make_data(data.y, X, data.terms[0].codes, ([0, 1], [2]), weights=1e4 * data.weights)
    lam = np.array([[0.6, 0], [-0.2, 0.3]]) / 100
    change = np.array([[1, -5e3], [0, 1e-6]])
    user = np.append(Template((2,)).pack([lower_form(change @ lam)]), 0.5 / 100 * 1e6)
    found = standard_theta(template, standards_of(moved), user)
    # zeros that lie 5,000 units away take as many digits of the correlation
    assert found == pytest.approx(expected, rel=1e-6)


def test_singularity_is_lme4s_rule_in_standard_columns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    x = (x - x.mean()) / x.std()
    X = np.column_stack([np.ones(60), x])
    data = make_data(rng.normal(size=60), X, np.arange(60) % 6, ([0, 1],))
    template, standards = Template((2,)), standards_of(data)
    assert singular_finding(template, standards, np.array([1.0, 0.2, 1.01e-4]), 1e-4) == ()
    (found,) = singular_finding(template, standards, np.array([1.0, 0.2, 9.9e-5]), 1e-4)
    assert (found.code, found.severity) == ("singular", "info")
    assert found.value == pytest.approx(9.9e-5)


def test_messages_come_most_serious_first_whatever_the_units():
    data = random_data(1, ([0, 1],))
    codes = []
    for unit in (1e-9, 1.0, 1e9):
        X = data.X.array * np.array([1, unit, 1, 1])
        objective = prepare(
            make_data(data.y / unit, X, data.terms[0].codes, ([0, 1],)),
            reml=True, control=Control(),
        )  # fmt: skip
        end = np.array([1.0, 0.2 / unit, 0.0])
        stopped = replace(GOOD, end=end, converged=False, message="m")
        found = findings_of(objective, stopped, Control())
        assert found[0].hint == "m"
        codes.append([d.code for d in found])
    assert codes == [["max_evaluations", "gradient", "singular"]] * 3
