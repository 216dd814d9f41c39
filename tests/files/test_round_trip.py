"""A loaded model prints, predicts and compares as the saved one did, also in a fresh process."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.sources.absent_rows import AbsentRows

sys.path.insert(0, str(Path(__file__).parent))
import models as made

ROOT = Path(__file__).parents[2]

FRESH = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import mlpool, models
told = {}
for name, (_, data) in models.CASES.items():
    m = mlpool.load_model(f"{sys.argv[2]}/{name}.mlpool", context=models.CONTEXT)
    told[name] = models.describe(m, data)
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def saved() -> Callable[[str], Any]:
    """``saved(name)``: a model of ``CASES``, fitted at most once per session."""

    @cache
    def fit_once(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mlpool.MlpoolWarning)
            return made.CASES[name][0]()

    return fit_once


def load(path: Path) -> Any:
    return mlpool.load_model(path, context=made.CONTEXT)


def assert_same(again: dict[str, Any], told: dict[str, Any]) -> None:
    assert set(again) == set(told)
    for what, value in told.items():
        if isinstance(value, str):
            assert again[what] == value, what
        else:
            np.testing.assert_equal(again[what], value, err_msg=what)


@pytest.mark.slow
def test_a_fresh_process_prints_and_predicts_the_same(
    saved: Callable[[str], Any], tmp_path: Path
) -> None:
    told = {}
    for name, (_, newdata) in made.CASES.items():
        saved(name).save(tmp_path / f"{name}.mlpool")
        told[name] = json.loads(json.dumps(made.describe(saved(name), newdata)))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(Path(made.__file__).parent), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    again = json.loads(done.stdout)
    for name in made.CASES:
        assert_same(again[name], told[name])


@pytest.mark.parametrize("name", made.CASES)
def test_with_data_rows_come_back(name: str, saved: Callable[[str], Any], tmp_path: Path) -> None:
    m = saved(name)
    again = load(m.save(tmp_path / "m.mlpool", data=True))
    assert_same(made.describe(again, made.CASES[name][1]), made.describe(m, made.CASES[name][1]))
    pd.testing.assert_series_equal(again.fitted, m.fitted)
    pd.testing.assert_series_equal(again.resid, m.resid)
    assert list(again.na_rows) == list(m.na_rows)


@pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")
@pytest.mark.parametrize("name", [name for name in made.CASES if name != "lm_matrix"])
def test_with_data_a_model_fits_again(
    name: str, saved: Callable[[str], Any], tmp_path: Path
) -> None:
    m = saved(name)
    again = load(m.save(tmp_path / "m.mlpool", data=True))
    trials = m.design.trials
    y = m.design.y if trials is None else np.rint(m.design.y * trials)
    # deterministic algorithms on equal numbers; blocks of memory may lie differently
    np.testing.assert_allclose(again.refit(y).fixef(), m.refit(y).fixef(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(again.update().fixef(), m.update().fixef(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", made.CASES)
def test_a_model_saved_twice_is_the_same_file(
    name: str, saved: Callable[[str], Any], tmp_path: Path
) -> None:
    first = saved(name).save(tmp_path / "a.mlpool")
    second = load(first).save(tmp_path / "b.mlpool")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", made.CASES)
@pytest.mark.parametrize("with_data", [False, True])
def test_a_loaded_model_pickles(
    name: str, with_data: bool, saved: Callable[[str], Any], tmp_path: Path
) -> None:
    again = load(saved(name).save(tmp_path / "m.mlpool", data=with_data))
    twice = pickle.loads(pickle.dumps(again))
    assert str(twice.summary()) == str(again.summary())


@pytest.mark.parametrize("name", made.CASES)
def test_models_pickle_and_joblib(name: str, saved: Callable[[str], Any], tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    m, newdata = saved(name), made.CASES[name][1]
    told = made.describe(m, newdata)
    assert_same(made.describe(pickle.loads(pickle.dumps(m)), newdata), told)
    joblib.dump(m, tmp_path / "m.joblib")
    assert_same(made.describe(joblib.load(tmp_path / "m.joblib"), newdata), told)


def test_files_are_small(saved: Callable[[str], Any], tmp_path: Path) -> None:
    sizes = {
        name: saved(name).save(tmp_path / f"{name}.mlpool").stat().st_size for name in made.CASES
    }
    assert sizes["lmer_slope"] < 20_000  # 160 schools, two random effects each
    assert sizes.pop("lm_absorbed_slopes") < 60_000
    assert max(sizes.values()) < 30_000


NEEDS_ROWS: dict[str, Callable[[Any], Any]] = {
    "fitted": lambda m: m.fitted,
    "resid": lambda m: m.resid,
    "residuals": lambda m: m.residuals("pearson"),
    "refit": lambda m: m.refit(np.ones(m.nobs)),
    "simulate": lambda m: m.simulate(seed=1),
    "update": lambda m: m.update(". ~ 1"),
    "predict": lambda m: m.predict(),
    "standardized": lambda m: m.standardized(),
}


@pytest.mark.parametrize("verb", NEEDS_ROWS)
@pytest.mark.parametrize("name", ["lm", "lm_absorbed", "glm_trials", "lmer_slope", "glmer"])
def test_verbs_that_need_rows_say_so(
    verb: str, name: str, saved: Callable[[str], Any], tmp_path: Path
) -> None:
    again = load(saved(name).save(tmp_path / "m.mlpool"))
    with pytest.raises(mlpool.NotSupportedError, match=r"save the model with m\.save\(path, data"):
        NEEDS_ROWS[verb](again)


@pytest.mark.parametrize("name", ["lm", "lm_absorbed", "lmer_slope", "glmer_poisson"])
def test_sandwich_needs_rows(name: str, saved: Callable[[str], Any], tmp_path: Path) -> None:
    again = load(saved(name).save(tmp_path / "m.mlpool"))
    group = "g" if name == "glmer_poisson" else "school"
    with pytest.raises(mlpool.NotSupportedError, match="needs the rows"):
        again.vcov("CR1", cluster=group)
    again = load(saved(name).save(tmp_path / "m.mlpool", data=True))
    if group in again.design.frame:
        pd.testing.assert_frame_equal(
            again.vcov("CR1", cluster=group), saved(name).vcov("CR1", cluster=group)
        )


def test_a_model_without_rows_cannot_be_saved_with_them(
    saved: Callable[[str], Any], tmp_path: Path
) -> None:
    again = load(saved("lm").save(tmp_path / "m.mlpool"))
    with pytest.raises(mlpool.NotSupportedError, match="rows"):
        again.save(tmp_path / "n.mlpool", data=True)


def test_a_loaded_model_updates_with_new_data(saved: Callable[[str], Any], tmp_path: Path) -> None:
    again = load(saved("lmer_ml").save(tmp_path / "m.mlpool"))
    fresh = again.update(data=made.SLEEP)
    np.testing.assert_allclose(fresh.fixef(), saved("lmer_ml").fixef(), rtol=1e-7)
    assert not fresh.reml


def test_row_labels_come_back(tmp_path: Path) -> None:
    labels = pd.Index([f"row {i}" for i in range(180)], name="label")
    m = mlpool.lm("Reaction ~ Days", made.SLEEP.set_index(labels))
    again = load(m.save(tmp_path / "m.mlpool", data=True))
    assert list(again.resid.index) == list(labels)


def test_frames_of_other_packages(make_frame: Callable[..., Any], tmp_path: Path) -> None:
    m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", make_frame(made.SLEEP))
    again = load(m.save(tmp_path / "m.mlpool", data=True))
    assert str(again.summary()) == str(m.summary())
    pd.testing.assert_series_equal(again.resid, m.resid)


def test_statsmodels_results_are_made_again(saved: Callable[[str], Any], tmp_path: Path) -> None:
    for name in ("lm", "glm_binomial", "lmer_statsmodels"):
        again = load(saved(name).save(tmp_path / "m.mlpool", data=True))
        np.testing.assert_allclose(
            np.asarray(again.statsmodels.params)[:2],
            np.asarray(saved(name).statsmodels.params)[:2],
            rtol=1e-9,
        )


def test_functions_of_the_formula_are_given_again(
    saved: Callable[[str], Any], tmp_path: Path
) -> None:
    path = saved("lm_context").save(tmp_path / "m.mlpool")
    with pytest.raises(mlpool.ModelFileError, match=r"uses the function 'double'.*context="):
        mlpool.load_model(path)


def test_save_refuses_what_is_no_model(saved: Callable[[str], Any], tmp_path: Path) -> None:
    from mlpool.files import save_model

    with pytest.raises(mlpool.OptionError, match="needs a fitted model; got 3"):
        save_model(3, tmp_path / "m.mlpool")
    with pytest.raises(mlpool.OptionError, match="data must be True or False; got 1"):
        saved("lm").save(tmp_path / "m.mlpool", data=1)
    with pytest.raises(mlpool.ModelFileError, match=r"cannot be written to .*No such file"):
        saved("lm").save(tmp_path / "no" / "m.mlpool")


def test_a_failed_save_leaves_the_old_file(
    saved: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved("lm").save(tmp_path / "m.mlpool")
    before = path.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlpool.files.archive._to_npy", full)
    with pytest.raises(mlpool.ModelFileError, match="No space left"):
        saved("lmer").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "use",
    [
        lambda a: a == 1, lambda a: a[0], lambda a: 1 - a, lambda a: a < 2, lambda a: ~a,
        lambda a: np.ones(3) * a, lambda a: np.asarray(a), lambda a: a.sum(), lambda a: list(a),
        lambda a: np.bincount(a), lambda a: pd.Series(a), lambda a: bool(a), lambda a: 0 in a,
        lambda a: np.where(a, 1, 2), lambda a: np.concatenate([a, a]), lambda a: float(a),
    ],
)  # fmt: skip
def test_absent_rows_refuse_every_use(use: Callable[[Any], Any]) -> None:
    with pytest.raises(mlpool.NotSupportedError, match="rows of the data"):
        use(AbsentRows((3,)))


def test_a_sentence_of_the_saved_model_stays_its_sentence(
    saved: Callable[[str], Any], tmp_path: Path
) -> None:
    again = load(saved("glmer_crossed").save(tmp_path / "m.mlpool", data=True))
    with pytest.raises(mlpool.NotSupportedError, match="these are crossed"):
        again.fit.scores()


@pytest.mark.parametrize("name", ["lm", "glm", "lmer", "glmer"])
def test_answers_do_not_need_rows(tmp_path: Path, saved: Callable[[str], Any], name: str) -> None:
    schools = mlpool.load_data("hsb82")
    formula = "math ~ ses * gender" + (" + (ses | school)" if name == "lmer" else "")
    if name in ("glm", "glmer"):
        formula = "minority ~ ses * gender" + (" + (1 | school)" if name == "glmer" else "")
    family = "binomial" if name in ("glm", "glmer") else None
    m = mlpool.fit(formula, schools, family=family)
    again = load(m.save(tmp_path / "m.mlpool"))
    asked = [
        lambda x: mlpool.estimate_means(x, by=["ses = [quartiles]", "gender"]),
        lambda x: mlpool.estimate_means(x, by=["ses = [sd]"]),
        lambda x: mlpool.estimate_contrasts(x, "gender", p_adjust="tukey"),
        lambda x: mlpool.estimate_slopes(x, "ses", by="gender"),
        lambda x: mlpool.estimate_relation(x, by="ses"),
        lambda x: mlpool.emmeans(x, "~ gender"),
        lambda x: mlpool.joint_tests(x),
    ]
    for ask in asked:
        assert str(ask(again)) == str(ask(m))
    with pytest.raises(mlpool.NotSupportedError, match=r"needs the rows of the data"):
        mlpool.estimate_means(again, by="gender", estimate="average")
    with pytest.raises(mlpool.NotSupportedError, match=r"needs the rows of the data"):
        mlpool.estimate_relation(again, by=["ses", "gender"])
