"""One vocabulary of options: every verb takes every name of an option, and answers the same."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlpool
from mlpool import keywords
from mlpool.option_spellings import OPTIONS, also_spelt, read_value
from mlpool.results import ResultFrame
from tests.conftest import load_script

ROOT = Path(__file__).parents[1]
options_page = load_script("docs", "make_options.py")

Ask = Callable[..., object]

CAKE, TEXT = mlpool.load_data("cake"), "angle ~ recipe * temp"
CAKE["plot"] = CAKE["recipe"].astype(str) + CAKE["replicate"].astype(str)
CBPP, SHARES = mlpool.load_data("cbpp"), "cbind(incidence, size - incidence) ~ period + size"


@cache
def cake() -> Any:
    return mlpool.lmer(f"{TEXT} + (1 | plot)", CAKE)


@cache
def flat() -> Any:
    return mlpool.lm(TEXT, CAKE)


@cache
def herds() -> Any:
    return mlpool.glm(SHARES, CBPP, "binomial")


# --- how every verb is asked --------------------------------------------------------------------


def estimates(model: Callable[[], Any], by: str, trend: str) -> dict[str, Ask]:
    return {
        "estimate_means": lambda **o: mlpool.estimate_means(model(), by, **o),
        "estimate_contrasts": lambda **o: mlpool.estimate_contrasts(model(), by, **o),
        "estimate_slopes": lambda **o: mlpool.estimate_slopes(model(), trend, by, **o),
        "estimate_relation": lambda **o: mlpool.estimate_relation(model(), by, **o),
        "estimate_expectation": lambda **o: mlpool.estimate_expectation(model(), by, **o),
        "estimate_link": lambda **o: mlpool.estimate_link(model(), by, **o),
        "estimate_prediction": lambda **o: mlpool.estimate_prediction(model(), by, seed=1, **o),
    }


TABLES: dict[str, Ask] = {
    **estimates(cake, "recipe", "temp"),
    "model_parameters": lambda **o: mlpool.model_parameters(cake(), effects="fixed", **o),
    "report": lambda **o: mlpool.report(cake(), standardize=False, **o).table,
    "emmeans": lambda **o: mlpool.emmeans(cake(), "~ recipe", **o),
    "pairs": lambda **o: mlpool.pairs(cake(), "~ recipe", **o),
    "emtrends": lambda **o: mlpool.emtrends(cake(), "~ recipe", "temp", **o),
    "joint_tests": lambda **o: mlpool.joint_tests(cake(), **o),
    "anova": lambda **o: mlpool.anova(cake(), **o),
    "linear_hypothesis": lambda **o: mlpool.linear_hypothesis(cake(), "temp = 0", **o),
}
FITS: dict[str, Ask] = {
    "fit": lambda **o: mlpool.vcov(mlpool.fit(f"{TEXT} + (1 | plot)", CAKE, **o)),
    "lmer": lambda **o: mlpool.vcov(mlpool.lmer(f"{TEXT} + (1 | plot)", CAKE, **o)),
    "lm": lambda **o: mlpool.vcov(mlpool.lm(TEXT, CAKE, **{"cluster": "plot", **o})),
    "glm": lambda **o: mlpool.vcov(mlpool.glm(SHARES, CBPP, "binomial", **o)),
    "glmer": lambda **o: mlpool.vcov(mlpool.glmer(f"{SHARES} + (1 | herd)", CBPP, "binomial", **o)),
    "update": lambda **o: mlpool.vcov(mlpool.update(cake(), **o)),
}
ROBUST: dict[str, Ask] = {
    "compare_parameters": lambda **o: mlpool.compare_parameters(cake(), **o),
    "vcov": lambda **o: mlpool.vcov(cake(), **o),
    "confint": lambda **o: mlpool.confint(cake(), method="Wald", **o),
    "coef_test": lambda **o: mlpool.coef_test(cake(), **o),
    "wald_test": lambda **o: mlpool.wald_test(cake(), "temp = 0", **o),
}
WITH_VCOV = {**TABLES, **ROBUST, **FITS}


def given(asks: dict[str, Ask], **own: Any) -> dict[str, Ask]:
    """Return verbs that are given some options whatever else they are asked."""

    def with_own(ask: Ask) -> Ask:
        return lambda **o: ask(**own, **o)

    return {verb: with_own(ask) for verb, ask in asks.items()}


ASKS: dict[str, dict[str, Ask]] = {
    "ci_method": {
        **TABLES,
        "standardize_parameters": lambda **o: mlpool.standardize_parameters(cake(), "basic", **o),
        "summary": lambda **o: mlpool.summary(cake(), **o).coefficients,
        "drop1": lambda **o: mlpool.drop1(cake(), **o),
        "simulate_power": lambda **o: mlpool.simulate_power(
            cake(), "temp", n_sims=2, seed=1, progress=False, **o
        ),
    },
    "vcov": {**WITH_VCOV, **given({v: FITS[v] for v in ("glm", "glmer")}, cluster="herd")},
    "cluster": {
        **given(
            {v: a for v, a in WITH_VCOV.items() if v not in ("lm", "glm", "glmer")}, vcov="CR2"
        ),
        "lm": lambda **o: mlpool.vcov(mlpool.lm(TEXT, CAKE, vcov="CR2", **o)),
        "glm": lambda **o: mlpool.vcov(mlpool.glm(SHARES, CBPP, "binomial", **o)),
        "glmer": FITS["glmer"],
        "bootstrap": lambda **o: mlpool.bootstrap(flat(), 3, "cases", seed=1, **o).table(),
        "bootstrap_parameters": lambda **o: mlpool.bootstrap_parameters(
            flat(), 3, type="cases", seed=1, **o
        ),
        "wild_bootstrap": lambda **o: mlpool.wild_bootstrap(
            flat(), "temp", iterations=19, seed=1, **o
        ),
    },
    "vcov_args": {
        **given(
            {v: a for v, a in WITH_VCOV.items() if v not in ("lm", "glm", "glmer")}, vcov="CR2"
        ),
        "lm": lambda **o: mlpool.vcov(mlpool.lm(TEXT, CAKE, vcov="CR2", **o)),
        "glm": lambda **o: mlpool.vcov(mlpool.glm(SHARES, CBPP, "binomial", **o)),
        "glmer": FITS["glmer"],
    },
    "test": {
        "anova": lambda **o: mlpool.anova(flat(), **o),
        "drop1": lambda **o: mlpool.drop1(flat(), **o),
        "linear_hypothesis": lambda **o: mlpool.linear_hypothesis(flat(), "temp = 0", **o),
        "coef_test": ROBUST["coef_test"],
        "wald_test": ROBUST["wald_test"],
    },
    "predict": estimates(herds, "period", "size"),
}
"""How every verb is asked about an option."""

VALUES: dict[str, tuple[Any, Any]] = {
    "ci_method": ("Kenward-Roger", "satterthwaite"),
    "vcov": ("cr2", "CR0"),
    "cluster": ("plot", "replicate"),
    "vcov_args": ({"cluster": "plot"}, {"cluster": "replicate"}),
    "test": ("chi2", "f"),
    "predict": ("Link", "response"),
}
"""Two values of every option."""

OTHER_VALUES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("test", "coef_test"): ("satterthwaite", "Z"),
    ("test", "wald_test"): ("htz", "Chi-square"),
    ("predict", "estimate_link"): ("lp",),
    ("predict", "estimate_prediction"): ("Response",),
    ("vcov", "glmer"): ("cr0", "CR1"),
    ("cluster", "glm"): ("herd",),
    ("cluster", "glmer"): ("herd",),
    ("vcov_args", "glm"): ({"cluster": "herd"},),
    ("vcov_args", "glmer"): ({"cluster": "herd"},),
}
"""Those of verbs that do not have these."""

ELSEWHERE = {
    "cluster": {"two_stage_sample", "sampling_study"},  # the column that is sampled
    "predict": {"emmeans", "pairs", "emtrends"},  # their type= is emmeans', with its own meaning
}
"""Verbs in which a name of an option is another argument."""

PAIRS = [(option, verb) for option, verbs in ASKS.items() for verb in verbs]


def having(option: str) -> dict[str, set[str]]:
    """Return the public verbs that have an option, and which of its names."""
    names = set(OPTIONS[option].names) - ({"type"} if option == "predict" else set())
    found = {}
    for verb in mlpool.registry.homes():
        function = getattr(mlpool, verb)
        if not inspect.isfunction(function):
            continue
        shown = set(inspect.signature(function).parameters)
        if shown & names and verb not in ELSEWHERE.get(option, ()):
            found[verb] = shown & set(OPTIONS[option].names)
    return found


@pytest.mark.parametrize("option", OPTIONS)
def test_every_verb_that_has_an_option_has_all_its_names_and_is_asked_here(option: str) -> None:
    found = having(option)
    assert found == {verb: set(OPTIONS[option].names) for verb in found}
    assert set(found) == set(ASKS[option])


def numbers(answer: object) -> pd.DataFrame:
    frame = answer.to_pandas() if isinstance(answer, ResultFrame) else answer
    assert isinstance(frame, pd.DataFrame)
    return frame.select_dtypes("number")


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_every_name_of_an_option_gives_the_same_numbers(option: str, verb: str) -> None:
    ask = ASKS[option][verb]
    for value in OTHER_VALUES.get((option, verb), VALUES[option]):
        first = numbers(ask(**{name_in(verb, option): OPTIONS[option].value(value)}))
        for name in OPTIONS[option].names:
            pd.testing.assert_frame_equal(numbers(ask(**{name: value})), first, check_exact=True)


def name_in(verb: str, option: str) -> str:
    return "type" if (verb, option) == ("vcov", "vcov") else OPTIONS[option].name


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_a_wrong_value_is_refused_in_a_sentence_that_names_what_works(
    option: str, verb: str
) -> None:
    for name in OPTIONS[option].names:
        with pytest.raises(mlpool.MlpoolError) as caught:
            ASKS[option][verb](**{name: "no such"})
        text = str(caught.value)
        assert "\n" not in text
        if not OPTIONS[option].values:
            continue
        assert isinstance(caught.value, mlpool.OptionError)
        assert "no such" in text
        named = re.findall(r"'([^']+)'", text.replace("'no such'", ""))
        assert set(named) & set(OPTIONS[option].values)


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_two_names_that_disagree_are_refused(option: str, verb: str) -> None:
    ask = ASKS[option][verb]
    one, two, *_ = OPTIONS[option].names
    with pytest.raises(mlpool.OptionError, match="are one choice and disagree"):
        ask(**{one: VALUES[option][0], two: VALUES[option][1]})
    value = OTHER_VALUES.get((option, verb), VALUES[option])[0]
    alone = numbers(ask(**{one: value}))
    for other in (value, None):
        pd.testing.assert_frame_equal(numbers(ask(**{one: value, two: other})), alone)


def test_clusters_may_be_called_as_statsmodels_calls_them() -> None:
    ours = TABLES["model_parameters"](vcov="CR2", cluster="plot")
    theirs = TABLES["model_parameters"](cov_type="CR2", cov_kwds={"groups": "plot"})
    pd.testing.assert_frame_equal(numbers(theirs), numbers(ours), check_exact=True)


@pytest.mark.parametrize("verb", ["vcov", "confint", "coef_test"])
def test_a_type_in_vcov_args_is_that_of_vcov(verb: str) -> None:
    ours = WITH_VCOV[verb](vcov="CR0", cluster="plot")
    theirs = WITH_VCOV[verb](vcov="vcovCL", vcov_args={"type": "CR0", "cluster": "plot"})
    pd.testing.assert_frame_equal(numbers(theirs), numbers(ours), check_exact=True)
    with pytest.raises(mlpool.OptionError, match="'fix': True} is taken by tables"):
        WITH_VCOV[verb](vcov="CR0", vcov_args={"cluster": "plot", "fix": True})
    with pytest.raises(mlpool.OptionError, match="give the cluster once"):
        WITH_VCOV[verb](vcov="CR0", cluster="plot", vcov_args={"cluster": "plot"})


@pytest.mark.filterwarnings("ignore::mlpool.errors.FewClustersWarning")
def test_clustered_errors_of_a_fit_may_be_asked_for_as_statsmodels_does() -> None:
    ours = mlpool.lm(TEXT, CAKE, vcov="vcovCL", cluster="replicate")
    theirs = mlpool.lm(TEXT, CAKE, cov_type="cluster", cov_kwds={"groups": CAKE["replicate"]})
    pd.testing.assert_frame_equal(theirs.vcov(), ours.vcov(), check_exact=True)


def test_names_and_values_belong_to_one_option_each() -> None:
    names = [n for option in OPTIONS.values() for n in option.names]
    assert len(names) == len(set(names))
    for option in OPTIONS.values():
        said = [s for value, others in option.values.items() for s in (value, *others)]
        assert len(said) == len({s.lower() for s in said})
        assert all(option.value(s.upper()) in option.values for s in said)


def test_what_an_argument_given_by_place_says_counts() -> None:
    @also_spelt("ci_method", keywords=keywords.DfSpellings)
    def verb(ci_method: str | None = None, **spellings: str | None) -> str | None:
        return ci_method

    assert verb("kenward", ddf="KR") == "kenward"
    with pytest.raises(mlpool.OptionError, match="ci_method='wald' and ddf='KR' are one choice"):
        verb("wald", ddf="KR")
    with pytest.raises(mlpool.OptionError, match=r"verb\(\) has no argument 'dff'.*'ddf'"):
        verb(dff="KR")


@pytest.mark.parametrize("value", [None, 3, ["kenward"], "kenwerd"])
def test_values_that_are_no_words_of_the_vocabulary_are_refused(value: object) -> None:
    with pytest.raises(mlpool.OptionError, match=r"must be one of \('wald', 'kenward'\); got"):
        read_value("ci_method", value, ("wald", "kenward"))


def test_the_page_shows_the_table() -> None:
    text = options_page.PAGE.read_text(encoding="utf-8")
    assert options_page.page() == text, "run python docs/make_options.py"
