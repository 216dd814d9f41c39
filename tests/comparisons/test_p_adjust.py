"""`p_adjust` against R's p.adjust, a closed-testing twin, and its properties."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data

METHODS = ("holm", "hochberg", "hommel", "bonferroni", "BH", "BY", "fdr", "none")

# R: p <- c(0.001, 0.012, 0.02, 0.04, NA, 0.3); sapply(p.adjust.methods, p.adjust, p = p)
P = [0.001, 0.012, 0.02, 0.04, np.nan, 0.3]
R = {
    "holm": [0.005, 0.048, 0.06, 0.08, np.nan, 0.3],
    "hochberg": [0.005, 0.048, 0.06, 0.08, np.nan, 0.3],
    "hommel": [0.005, 0.04, 0.06, 0.08, np.nan, 0.3],
    "bonferroni": [0.005, 0.06, 0.1, 0.2, np.nan, 1.0],
    "BH": [0.005, 0.03, 1 / 30, 0.05, np.nan, 0.3],
    "none": P,
}


@pytest.mark.parametrize("method", R)
def test_against_values_of_r(method):
    np.testing.assert_allclose(mlpool.p_adjust(P, method), R[method], rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("key", "n"), [("adjusted", None), ("adjusted_n20", 20)])
def test_reference_file(shared, method, key, n):
    r = json.loads((shared / "reference" / "p_adjust.json").read_text())
    p = [np.nan if v is None else v for v in r["p"]]
    expected = [np.nan if v is None else v for v in r[key][method]]
    np.testing.assert_allclose(mlpool.p_adjust(p, method, n=n), expected, rtol=1e-12)


_FOLDER = find_shared()
_SLOPES = (
    [c for c in load_cases(_FOLDER, "nopooling") if "p_adjust_slopes" in c["result"]]
    if _FOLDER
    else []
)


@pytest.mark.parametrize("case", _SLOPES or [None], ids=[c["id"] for c in _SLOPES] or ["absent"])
def test_slopes_of_no_pooling(shared, case):
    """All slopes of the no-pooling reference, every method: first ten, sums, count below .05."""
    slopes = case["result"]["slopes"]
    p = np.array(slopes["p"], dtype=float)
    for method, expected in case["result"]["p_adjust_slopes"].items():
        got = mlpool.p_adjust(p, method)
        assert len(got) == expected["n"]
        np.testing.assert_allclose(got[:10], expected["first"], rtol=1e-9, err_msg=method)
        assert got.sum() == pytest.approx(expected["sum"], rel=1e-9), method
        assert (got**2).sum() == pytest.approx(expected["sumsq"], rel=1e-9), method
        assert (got < 0.05).sum() == expected["n_below_05"], method


def _closed_testing(p: list[float]) -> list[float]:
    """Hommel by the definition: the largest Simes p of all subsets that contain the hypothesis."""
    m = len(p)
    out = np.zeros(m)
    for size in range(1, m + 1):
        for subset in itertools.combinations(range(m), size):
            q = np.sort([p[i] for i in subset])
            simes = min(size * q[k] / (k + 1) for k in range(size))
            for i in subset:
                out[i] = max(out[i], simes)
    return list(np.minimum(out, 1.0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_hommel_is_closed_testing_with_simes(p):
    np.testing.assert_allclose(mlpool.p_adjust(p, "hommel"), _closed_testing(p), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_order_of_methods_and_of_rows(p, random):
    by = {m: mlpool.p_adjust(p, m) for m in METHODS}
    for smaller, larger in itertools.pairwise(["none", "BH", "hommel", "hochberg", "holm"]):
        assert np.all(by[smaller] <= by[larger] + 1e-12), (smaller, larger)
    assert np.all(by["holm"] <= by["bonferroni"] + 1e-12)
    order = list(range(len(p)))
    random.shuffle(order)
    for method in METHODS:
        shuffled = mlpool.p_adjust([p[i] for i in order], method)
        np.testing.assert_allclose(shuffled, by[method][order], atol=1e-15)


def test_a_series_keeps_its_index():
    p = pd.Series([0.01, 0.04], index=["a", "b"], name="p")
    got = mlpool.p_adjust(p, "holm")
    assert list(got.index) == ["a", "b"]
    assert got["b"] == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("p", "options", "error", "words"),
    [
        ([0.1], {"method": "hommell"}, mlpool.OptionError, "Did you mean 'hommel'"),
        (
            [0.1, 0.2],
            {"n": 1},
            mlpool.OptionError,
            "n \\(the number of p-values or more\\) must be",
        ),
        ([0.1, 1.2], {}, mlpool.DataError, "between 0 and 1; got 1.2"),
        (["a"], {}, mlpool.DataError, "must be numbers"),
        ([[0.1, 0.2]], {}, mlpool.DataError, "one list of p-values"),
    ],
)
def test_mistakes(p, options, error, words):
    with pytest.raises(error, match=words):
        mlpool.p_adjust(p, **options)


def test_no_p_values_give_none():
    assert mlpool.p_adjust([]).shape == (0,)
    np.testing.assert_array_equal(mlpool.p_adjust([np.nan]), [np.nan])


def test_reference_data_reads(shared):
    """The adjusted p-values above come from slopes that mlpool itself gives."""
    case = next(c for c in _SLOPES if c["id"] == "nopool_sleep_slopes")
    data, _ = load_data(shared, case)
    m = mlpool.lm(case["formula"], data)
    table = mlpool.model_parameters(m)
    assert table["p"].iloc[1] == pytest.approx(case["result"]["slopes"]["p"][0], rel=1e-6)
