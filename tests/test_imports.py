"""``import mlpool`` stays cheap, and names arrive when they are used."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import mlpool

HEAVY = ("statsmodels", "plotnine", "matplotlib", "polars", "pyarrow", "great_tables")


def run_python(code: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_no_heavy_library() -> None:
    loaded = run_python(f"import sys, mlpool; print([m for m in {HEAVY} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_import_loads_nothing_but_the_errors_and_the_catalogue() -> None:
    # Measured in modules, which do not depend on how busy the machine is.
    code = (
        "import sys, mlpool; print([m for m in ('numpy', 'pandas', 'scipy') if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_import_time_is_reported(record_property: pytest.FixtureRequest) -> None:
    """The budget is a tenth of ``import pandas``; times are noisy, so only reported."""

    def seconds(code: str) -> float:
        start = time.perf_counter()
        run_python(code)
        return time.perf_counter() - start

    ours = min(seconds("import mlpool") for _ in range(2))
    base = min(seconds("import pandas") for _ in range(2))
    record_property("import_ratio", round(ours / base, 2))
    print(f"import mlpool / import pandas = {ours / base:.2f}")


def test_public_names_are_imported_on_first_use() -> None:
    code = (
        "import sys, mlpool; before = 'mlpool.engine' in sys.modules; "
        "mlpool.Control; print(before, 'mlpool.engine' in sys.modules)"
    )
    assert run_python(code).strip() == "False True"


def test_dir_lists_names_that_are_not_imported_yet() -> None:
    assert set(mlpool.__all__) <= set(dir(mlpool))


@pytest.mark.parametrize("name", mlpool.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(mlpool, name) is not None


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'lmmer'. Did you mean 'lmer'"):
        mlpool.lmmer  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute '__nothing__'\.$"):
        mlpool.__nothing__  # noqa: B018


def test_datasets_stays_a_function_when_its_folder_is_imported() -> None:
    # The folder mlpool/datasets has the same name as the public function.
    code = "import mlpool.datasets.load, mlpool; mlpool.load_data('cake'); print(mlpool.datasets)"
    assert run_python(code).startswith("<function datasets")
