"""One vocabulary of options: every verb takes every name of an option, and answers the same."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Return small models of the kinds that the verbs are asked about."""
    cake = mlpool.load_data("cake")
    mixed = mlpool.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    return {"lmer": mixed}


def asks(m: dict[str, Any]) -> dict[str, dict[str, Ask]]:
    """Return how every verb is asked: option -> verb -> function of the option's arguments."""
    mixed = m["lmer"]
    by = "recipe"
    return {
        "ci_method": {
            "model_parameters": lambda **o: mlpool.model_parameters(mixed, effects="fixed", **o),
            "standardize_parameters": lambda **o: mlpool.standardize_parameters(
                mixed, "basic", **o
            ),
            "summary": lambda **o: mlpool.summary(mixed, **o).coefficients,
            "anova": lambda **o: mlpool.anova(mixed, **o),
            "drop1": lambda **o: mlpool.drop1(mixed, **o),
            "linear_hypothesis": lambda **o: mlpool.linear_hypothesis(mixed, "temp = 0", **o),
            "report": lambda **o: mlpool.report(mixed, standardize=False, **o).table,
            "estimate_means": lambda **o: mlpool.estimate_means(mixed, by, **o),
            "estimate_contrasts": lambda **o: mlpool.estimate_contrasts(mixed, by, **o),
            "estimate_slopes": lambda **o: mlpool.estimate_slopes(mixed, "temp", by, **o),
            "estimate_relation": lambda **o: mlpool.estimate_relation(mixed, by, **o),
            "estimate_expectation": lambda **o: mlpool.estimate_expectation(mixed, by, **o),
            "estimate_link": lambda **o: mlpool.estimate_link(mixed, by, **o),
            "estimate_prediction": lambda **o: mlpool.estimate_prediction(mixed, by, **o),
            "emmeans": lambda **o: mlpool.emmeans(mixed, "~ recipe", **o),
            "pairs": lambda **o: mlpool.pairs(mixed, "~ recipe", **o),
            "emtrends": lambda **o: mlpool.emtrends(mixed, "~ recipe", "temp", **o),
            "joint_tests": lambda **o: mlpool.joint_tests(mixed, **o),
            "simulate_power": lambda **o: mlpool.simulate_power(
                mixed, "temp", n_sims=2, seed=1, progress=False, **o
            ),
        },
    }


VALUES = {"ci_method": ("Kenward-Roger", "satterthwaite")}
"""Two values of every option that every verb takes, by other spellings where there are any."""

PAIRS = [(option, verb) for option, verbs in asks({"lmer": None}).items() for verb in verbs]


def having(option: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the public verbs that have any name of an option, and which of its names."""
    for verb in mlpool.registry.homes():
        function = getattr(mlpool, verb)
        if inspect.isfunction(function):
            shown = inspect.signature(function).parameters
            names = [n for n in shown if n in OPTIONS[option].names]
            if names:
                yield verb, names


@pytest.mark.parametrize("option", OPTIONS)
def test_every_verb_that_has_an_option_has_all_its_names_and_is_asked_here(option: str) -> None:
    found = dict(having(option))
    assert {v: sorted(n) for v, n in found.items()} == dict.fromkeys(
        found, sorted(OPTIONS[option].names)
    )
    assert set(found) == {verb for key, verb in PAIRS if key == option}


def numbers(answer: object) -> pd.DataFrame:
    frame = answer.to_pandas() if isinstance(answer, ResultFrame) else answer
    assert isinstance(frame, pd.DataFrame)
    return frame.select_dtypes("number")


@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_every_name_of_an_option_gives_the_same_numbers(
    option: str, verb: str, models: dict[str, Any]
) -> None:
    ask = asks(models)[option][verb]
    for value in VALUES[option]:
        usual = OPTIONS[option].value(value)
        first = numbers(ask(**{option: usual}))
        for name in OPTIONS[option].names:
            pd.testing.assert_frame_equal(numbers(ask(**{name: value})), first, check_exact=True)


@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_a_wrong_value_is_refused_in_a_sentence_that_names_those_that_work(
    option: str, verb: str, models: dict[str, Any]
) -> None:
    ask = asks(models)[option][verb]
    for name in OPTIONS[option].names:
        with pytest.raises(mlpool.OptionError) as caught:
            ask(**{name: "no such"})
        text = str(caught.value)
        assert "\n" not in text
        assert "no such" in text
        assert any(n in text for n in OPTIONS[option].names)
        values = re.findall(r"'([\w-]+)'", text.partition("; got")[0])
        assert values
        ask(**{name: next(v for v in values if v in map(OPTIONS[option].value, VALUES[option]))})


@pytest.mark.parametrize(("option", "verb"), PAIRS)
def test_two_names_that_disagree_are_refused(
    option: str, verb: str, models: dict[str, Any]
) -> None:
    ask = asks(models)[option][verb]
    one, two, *_ = OPTIONS[option].names
    first, second = VALUES[option]
    with pytest.raises(mlpool.OptionError, match="are one choice and disagree"):
        ask(**{one: first, two: second})
    same = numbers(ask(**{one: first, two: OPTIONS[option].value(first)}))
    pd.testing.assert_frame_equal(same, numbers(ask(**{one: first})), check_exact=True)
    pd.testing.assert_frame_equal(numbers(ask(**{one: first, two: None})), same, check_exact=True)


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
