"""R's names that are something else here, and the calls that the sentences give."""

from __future__ import annotations

import re
import warnings
from typing import Any

import matplotlib
import numpy as np
import pytest

import mlpool
from mlpool.r_spellings import SIGNPOSTS

matplotlib.use("Agg")


def _scope() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    data = {
        "x": rng.normal(size=60),
        "f": np.array(list("ab"))[rng.integers(0, 2, 60)],
        "g": np.repeat(np.arange(10), 6),
    }
    data["y"] = rng.poisson(np.exp(0.3 * data["x"] + 0.3 * rng.normal(size=10)[data["g"]]))
    m = mlpool.lmer("y ~ x + f + (1 | g)", data)
    public = {n: getattr(mlpool, n) for n in mlpool.__all__}
    return public | {"m": m, "a": m, "b": m, "data": data, "x": data["f"]}


@pytest.fixture(scope="module")
def scope() -> dict[str, Any]:
    """Names that the calls use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _scope()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(SIGNPOSTS))
def test_the_calls_work(name: str, scope: dict[str, Any]) -> None:
    call = SIGNPOSTS[name].replace("family=...", "family='poisson'")
    call = call.replace("'the reference', ...", "'b', 'a'").replace("bootstrap(m)", "bootstrap")
    assert eval(call, dict(scope)) is not None


@pytest.mark.parametrize("name", sorted(SIGNPOSTS))
def test_the_sentence_says_the_call(name: str) -> None:
    assert name not in mlpool.__all__
    with pytest.raises(
        AttributeError, match=f"has no {name}; here it is {re.escape(SIGNPOSTS[name])}"
    ):
        getattr(mlpool, name)


def test_other_names_keep_their_nearest_spelling() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'lmer'"):
        _ = mlpool.lmerr
    assert not hasattr(mlpool, "__wrapped__")
