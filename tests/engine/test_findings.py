"""Findings about finished fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.findings import diagnose, identification_diagnostic, scale_diagnostic
from mlpool.engine.one_fit import fit_one_factor
from mlpool.engine.theta import Template
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


def test_scales_and_identification():
    assert scale_diagnostic(np.array([1.0, 900.0, 0.0])) == ()
    (found,) = scale_diagnostic(np.array([1.0, 5000.0]))
    assert (found.code, found.value) == ("scale", 5000.0)
    assert "rescaling" in found.hint
    assert identification_diagnostic(np.diag([1.0, 100.0])) == ()
    assert identification_diagnostic(np.empty((0, 0))) == ()
    (found,) = identification_diagnostic(np.diag([0.0, 1.0]))
    assert found.code == "nearly_unidentified"
    assert "nearly unidentified" in found.hint


@pytest.mark.parametrize("dummy", [True, False])
def test_dummies_do_not_count_as_another_scale(dummy):
    data = random_data(1, ([0],))
    x = (data.X.array[:, 2] > 0).astype(float) if dummy else data.X.array[:, 2]
    X = np.column_stack([np.ones(data.n), x, 1e5 * data.X.array[:, 3]])
    fit = fit_one_factor(make_data(data.y, X, data.terms[0].codes, ([0],)))
    assert ("scale" in [d.code for d in fit.diagnostics]) != dummy
