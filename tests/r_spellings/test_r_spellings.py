"""R's names that are something else here: every one has a sentence, and its call works."""

from __future__ import annotations

import pickle
import re
import runpy
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.r_spellings import absent, sections, spellings

matplotlib.use("Agg")

EXPORTS = Path(__file__).with_name("exports.txt")
"""Names that packages of R export, made by exports.R (R 4.2.2, versions of Debian 12)."""


def _exports() -> dict[str, list[str]]:
    packages = EXPORTS.read_text(encoding="utf-8").split("# ")[1:]
    named = [part.split() for part in packages]
    return {package: names for package, *names in named}


def _scope() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=60),
            "f": np.array(list("ab"))[rng.integers(0, 2, 60)],
            "g": np.repeat(np.arange(10), 6),
        }
    )
    data["y"] = rng.poisson(np.exp(0.3 * data["x"] + 0.3 * rng.normal(size=10)[data["g"]]))
    m = mlpool.lmer("y ~ x + f + (1 | g)", data)
    smaller = mlpool.lmer("y ~ x + (1 | g)", data)
    public = {n: getattr(mlpool, n) for n in mlpool.__all__}
    return public | {"m": m, "a": m, "b": smaller, "data": data, "x": data["f"], "np": np}


@pytest.fixture(scope="module")
def scope() -> dict[str, Any]:
    """Names that the calls use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _scope()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", sorted(set(spellings().values())))
def test_the_calls_work(call: str, scope: dict[str, Any], capsys: Any) -> None:
    if call.startswith("print("):
        eval(call, dict(scope))
        assert capsys.readouterr().out.strip()
    else:
        assert eval(call, dict(scope)) is not None


@pytest.mark.parametrize("name", sorted(spellings()))
def test_the_sentence_says_the_call(name: str) -> None:
    with pytest.raises(
        AttributeError,
        match=f"has no attribute '{name}'; here it is {re.escape(spellings()[name])}",
    ):
        getattr(mlpool, name)


@pytest.mark.parametrize("package", _exports())
def test_every_name_that_a_package_exports_has_an_answer(package: str) -> None:
    names = {name.replace(".", "_") for name in _exports()[package]}
    assert len(names) > 5
    silent = names - set(mlpool.__all__) - set(spellings()) - set(absent())
    assert not silent, f"give these a line in names.txt: {sorted(silent)}"


def test_the_export_lists_are_whole() -> None:
    exports = _exports()
    assert {"allFit", "isSingular", "lmList", "glmer.nb"} <= set(exports["lme4"])
    assert {"ranova", "ls_means"} <= set(exports["lmerTest"])
    assert {"lme4", "lmerTest", "parameters", "performance", "modelbased", "emmeans"} < set(exports)
    assert {"broom.mixed", "sjPlot", "ggeffects", "merTools", "car"} < set(exports)
    assert sum(map(len, exports.values())) > 550


def test_a_name_is_in_one_place_and_reasons_are_sentences() -> None:
    listed = [name for calls in sections().values() for name in calls]
    assert len(listed) == len(set(listed))
    public = set(mlpool.__all__)
    assert not set(spellings()) & set(absent())
    assert not (set(spellings()) | set(absent())) & public
    assert all(reason.startswith("mlpool ") for reason in absent().values())


def test_a_name_that_nothing_answers_says_so() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nlmer': mlpool fits no nonlinear"):
        _ = mlpool.nlmer
    assert mlpool.r_spelling("lme4::glmer.nb") == (
        "mlpool has no glmer_nb; here it is glmer('y ~ x + (1 | g)', data, family='nbinom2')."
    )
    assert "help(mlpool.VarCorr)" in str(mlpool.r_spelling("lme4::VarCorr"))
    assert mlpool.r_spelling("no_such_name") is None
    with pytest.raises(mlpool.OptionError, match="name must be text such as 'lme4::ranef'; got 3"):
        mlpool.r_spelling(3)  # type: ignore[arg-type]


def test_models_answer_to_the_same_names(scope: dict[str, Any]) -> None:
    m = scope["m"]
    with pytest.raises(AttributeError, match=r"no attribute 'ranova'. Write mlpool.ranova\(m\)"):
        _ = m.ranova
    with pytest.raises(AttributeError, match=r"no attribute 'AIC'. Write mlpool.AIC\(m\)"):
        _ = m.AIC
    with pytest.raises(AttributeError, match=r"no REMLcrit; here it is m.criterion"):
        _ = m.REMLcrit
    with pytest.raises(AttributeError, match=r"no attribute 'sigmaa'. Did you mean 'sigma'"):
        _ = m.sigmaa
    with pytest.raises(AttributeError, match="no attribute 'load_data'"):
        _ = m.load_data
    assert not hasattr(m, "__wrapped__") and not hasattr(m, "_no_such")
    assert pickle.loads(pickle.dumps(m)).sigma == m.sigma


def test_a_property_that_fails_keeps_its_own_error(scope: dict[str, Any]) -> None:
    class Broken(type(scope["m"])):  # type: ignore[misc]
        @property
        def worse(self) -> float:
            return float(self.no_such_thing)

    broken = Broken(**{f.name: getattr(scope["m"], f.name) for f in fields(scope["m"])})
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        _ = broken.worse


def test_folders_are_rs_functions_of_their_name(scope: dict[str, Any]) -> None:
    m = scope["m"]
    parameters: Any = mlpool.parameters  # modules to type checkers
    performance: Any = mlpool.performance
    assert str(parameters(m, digits=3)) == str(mlpool.model_parameters(m, digits=3))
    assert str(performance(m)) == str(mlpool.model_performance(m))
    with pytest.raises(mlpool.OptionError, match="needs a fitted model"):
        parameters(3)


def test_other_names_keep_their_nearest_spelling() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'lmer'"):
        _ = mlpool.lmerr
    assert not hasattr(mlpool, "__wrapped__")


def test_the_page_for_r_users_has_every_name() -> None:
    docs = Path(__file__).parents[2] / "docs"
    made = runpy.run_path(str(docs / "make_r_names.py"))["page"]()
    written = (docs / "for_r_users.md").read_text(encoding="utf-8")
    assert written == made, "run python docs/make_r_names.py"
    assert all(f"`{name}`" in written for name in absent())
