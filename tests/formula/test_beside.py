"""What comes beside the data follows its row labels; arrays go by position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

N = 120
RNG = np.random.default_rng(8)
DATA = pd.DataFrame(
    {"x": RNG.normal(size=N), "g": np.repeat(np.arange(30), 4), "b": RNG.integers(0, 2, N)},
    index=[f"row {i}" for i in RNG.permutation(N)],
)
DATA["y"] = DATA["x"] + RNG.normal(size=N) + RNG.normal(size=30)[DATA["g"]]
W = pd.Series(RNG.uniform(0.2, 4.0, N), index=DATA.index)
LM = mlpool.lm("y ~ x", DATA)
LMER = mlpool.lmer("y ~ x + (1 | g)", DATA)

Verb = Callable[[Any], Any]

VERBS: dict[str, tuple[Verb, pd.Series]] = {
    "lm weights": (lambda s: mlpool.lm("y ~ x", DATA, weights=s).fixef(), W),
    "lm offset": (lambda s: mlpool.lm("y ~ x", DATA, offset=s).fixef(), W),
    "lm subset": (lambda s: mlpool.lm("y ~ x", DATA, subset=s).fixef(), DATA["x"] > 0),
    "lm cluster": (lambda s: mlpool.lm("y ~ x", DATA, cluster=s).se, DATA["g"]),
    "glm weights": (lambda s: mlpool.glm("y ~ x", DATA, weights=s).fixef(), W),
    "glm offset": (
        lambda s: mlpool.glm("b ~ x", DATA, family="binomial", offset=s).fixef(), W,
    ),
    "lmer weights": (lambda s: mlpool.lmer("y ~ x + (1 | g)", DATA, weights=s).fixef(), W),
    "lmer offset": (lambda s: mlpool.lmer("y ~ x + (1 | g)", DATA, offset=s).fixef(), W),
    "glmer offset": (
        lambda s: mlpool.glmer("b ~ x + (1 | g)", DATA, family="binomial", offset=s).fixef(), W,
    ),
    "update weights": (lambda s: mlpool.update(LM, weights=s).fixef(), W),
    "refit lm": (lambda s: mlpool.refit(LM, s).fixef(), W),
    "refit lmer": (lambda s: mlpool.refit(LMER, s).fixef(), W),
    "vcov": (lambda s: mlpool.vcov(LM, "CR2", s), DATA["g"]),
    "coef_test": (lambda s: mlpool.coef_test(LM, "CR1", cluster=s).to_pandas()["SE"], DATA["g"]),
    "wald_test": (
        lambda s: mlpool.wald_test(LM, "x = 0", "CR1", cluster=s).to_pandas().iloc[:, -1],
        DATA["g"],
    ),
    "model_parameters": (
        lambda s: mlpool.model_parameters(LM, vcov="CR2", cluster=s).to_pandas()["SE"], DATA["g"],
    ),
    "estimate_slopes": (
        lambda s: mlpool.estimate_slopes(LM, "x", vcov="CR1", cluster=s).to_pandas()["SE"],
        DATA["g"],
    ),
    "several clusters": (
        lambda s: mlpool.vcov(LM, "HC0", [s, DATA["b"]]), DATA["g"],
    ),
}  # fmt: skip


def shuffled(series: pd.Series) -> pd.Series:
    return series.sample(frac=1, random_state=3)


def numbers(found: Any) -> np.ndarray:
    return np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize("name", VERBS)
def test_labels_in_another_order_are_aligned(name: str) -> None:
    verb, series = VERBS[name]
    want = numbers(verb(series.to_numpy()))
    assert np.isfinite(want).all()
    np.testing.assert_array_equal(numbers(verb(series)), want)
    np.testing.assert_array_equal(numbers(verb(shuffled(series))), want)
    assert not np.array_equal(numbers(verb(shuffled(series).to_numpy())), want), "by position"
    polars = pl.Series(shuffled(series).to_numpy())
    np.testing.assert_array_equal(numbers(verb(polars)), numbers(verb(shuffled(series).to_numpy())))


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.rename({s.index[4]: "another row"}),
        lambda s: shuffled(s).rename({s.index[4]: s.index[5]}),
        lambda s: s.reset_index(drop=True),
        lambda s: s.iloc[:-1],
        lambda s: s.to_numpy()[:-1],
    ],
    ids=["other labels", "repeated labels", "no labels", "shorter", "shorter array"],
)
def test_what_cannot_be_aligned_is_refused_in_one_sentence(name: str, change: Any) -> None:
    verb, series = VERBS[name]
    with pytest.raises(mlpool.MlpoolError) as caught:
        verb(change(series))
    assert "\n" not in str(caught.value)


def test_repeated_labels_in_the_order_of_the_data_go_by_position() -> None:
    data = DATA.set_axis(np.repeat([1, 2], N // 2), axis=0)
    m = mlpool.lm("y ~ x", data, weights=pd.Series(W.to_numpy(), index=data.index))
    np.testing.assert_array_equal(m.fixef(), mlpool.lm("y ~ x", DATA, weights=W).fixef())


def test_rows_that_were_left_out() -> None:
    data = DATA.assign(x=DATA["x"].where(DATA["x"] < 1))
    m = mlpool.lm("y ~ x", data)
    used = data["g"][data["x"].notna()]
    want = mlpool.vcov(m, "CR1", "g")
    for cluster in (data["g"], shuffled(data["g"]), used, shuffled(used), used.to_numpy()):
        np.testing.assert_array_equal(mlpool.vcov(m, "CR1", cluster), want)


def test_a_labelled_covariance_follows_its_labels() -> None:
    own = mlpool.vcov(LM, "HC3")
    want = mlpool.model_parameters(LM, vcov=own).to_pandas()["SE"]
    turned = own.loc[["x", "(Intercept)"], ["x", "(Intercept)"]]
    np.testing.assert_array_equal(mlpool.model_parameters(LM, vcov=turned).to_pandas()["SE"], want)
    np.testing.assert_array_equal(mlpool.lm("y ~ x", DATA, vcov=turned).se, want)
    np.testing.assert_array_equal(
        mlpool.compare_parameters(LM, LM, vcov=turned).to_pandas().filter(like="SE").iloc[:, 0],
        want,
    )
    np.testing.assert_array_equal(
        mlpool.model_parameters(LM, vcov=pd.DataFrame(own.to_numpy())).to_pandas()["SE"], want
    )
    with pytest.raises(mlpool.OptionError, match="no coefficient"):
        mlpool.model_parameters(LM, vcov=own.rename(columns={"x": "z"}, index={"x": "z"}))


def test_dicts_of_series_follow_their_labels() -> None:
    data = {"y": DATA["y"], "x": shuffled(DATA["x"]), "g": DATA["g"].to_numpy()}
    m = mlpool.lm("y ~ x", data, weights=shuffled(W))
    np.testing.assert_array_equal(m.fixef(), mlpool.lm("y ~ x", DATA, weights=W).fixef())
    assert m.fitted.index.equals(DATA.index)
    with pytest.raises(mlpool.DataError, match="row labels"):
        mlpool.lm("y ~ x", {**data, "x": DATA["x"].reset_index(drop=True)})


def test_nullable_and_listed_vectors() -> None:
    want = mlpool.lm("y ~ x", DATA, weights=W).fixef()
    for given in (W.tolist(), W.astype("Float64"), pl.Series(W.to_numpy()), tuple(W)):
        np.testing.assert_array_equal(mlpool.lm("y ~ x", DATA, weights=given).fixef(), want)
    flags = (DATA["x"] > 0).astype("boolean")
    flags.iloc[3] = pd.NA
    plain = flags.fillna(False).astype(bool)
    np.testing.assert_array_equal(
        mlpool.lm("y ~ x", DATA, subset=flags).fixef(),
        mlpool.lm("y ~ x", DATA, subset=plain).fixef(),
    )
    for subset in (True, 3, [0, 1], np.ones((N, 2), dtype=bool), {"a": 1}):
        with pytest.raises(mlpool.DataError):
            mlpool.lm("y ~ x", DATA, subset=subset)


def test_clusters_of_every_type_give_the_same_numbers() -> None:
    want = mlpool.vcov(LM, "CR2", "g")
    g = DATA["g"].to_numpy()
    for cluster in (
        g.astype(np.float64), g.astype(str), (g + 2**60), g.astype(np.int8),
        pd.Series(g, index=DATA.index).astype("category"), pl.Series(g.astype(str)),
        np.datetime64("2020-01-01") + g,
        pd.Series(pd.date_range("2020", periods=30, tz="Asia/Tokyo")[g], index=DATA.index),
    ):  # fmt: skip
        np.testing.assert_allclose(mlpool.vcov(LM, "CR2", cluster), want, rtol=1e-12)


def test_lists_of_labels_are_one_vector() -> None:
    g = DATA["g"].to_numpy()
    pairs = [(f"a:{v % 3}", v // 3) for v in g]
    want = mlpool.vcov(LM, "CR2", "g")
    for cluster in (pairs, tuple(pairs), pd.MultiIndex.from_tuples(pairs), [f"s{v}" for v in g]):
        np.testing.assert_allclose(mlpool.vcov(LM, "CR2", cluster), want, rtol=1e-12)
        again = mlpool.lm("y ~ x", DATA, vcov="CR2", cluster=cluster)
        np.testing.assert_allclose(again.vcov(), want, rtol=1e-12)
    fixed = mlpool.model_parameters(LM, cluster=DATA[["g"]], vcov_args={"fix": True})
    other = mlpool.model_parameters(LM, cluster="g", vcov_args={"fix": True})
    np.testing.assert_array_equal(fixed.to_pandas()["SE"], other.to_pandas()["SE"])


def test_frames_of_clusters_are_several_ways() -> None:
    want = mlpool.lm("y ~ x", DATA, cluster=["g", "b"]).se
    after = mlpool.vcov(LM, "HC1", ["g", "b"])
    both = DATA[["g", "b"]]
    shuffled, columns = both.sample(frac=1, random_state=1), {k: both[k].to_numpy() for k in both}
    for cluster in (both, shuffled, pl.from_pandas(both), columns):
        np.testing.assert_array_equal(mlpool.lm("y ~ x", DATA, cluster=cluster).se, want)
        np.testing.assert_array_equal(mlpool.vcov(LM, "HC1", cluster), after)
    np.testing.assert_array_equal(mlpool.vcov(LM, "CR2", DATA[["g"]]), mlpool.vcov(LM, "CR2", "g"))


def test_one_row_as_a_dict_and_not_as_a_series() -> None:
    row = {"x": 1.5, "g": 3}
    want = LMER.predict(pd.DataFrame([row]))
    np.testing.assert_array_equal(LMER.predict(row), want)
    np.testing.assert_array_equal(LMER.predict([row]), want)
    with pytest.raises(mlpool.DataError, match="iloc"):
        LMER.predict(DATA.iloc[0])
