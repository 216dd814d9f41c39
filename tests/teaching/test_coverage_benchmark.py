"""The coverage study of the docs: what it shows holds, and its page shows what it found."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("benchmarks", "coverage.py")


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return pd.read_csv(ROOT / "benchmarks" / "coverage.csv")


def share(table: pd.DataFrame, method: str, effect: str, sizes: str, clusters: int) -> float:
    rows = table[
        (table["Method"] == method) & (table["Effect"] == effect)
        & (table["Sizes"] == sizes) & (table["Clusters"] == clusters)
    ]  # fmt: skip
    return float(rows["Coverage"].item())


def test_page_shows_the_stored_study(script: ModuleType, stored: pd.DataFrame) -> None:
    page = (ROOT / "docs" / "inference.md").read_text(encoding="utf-8")
    shown = page.split("<!-- coverage -->\n", 1)[1].split("\n<!-- end -->", 1)[0]
    assert shown == script.markdown(stored)


def test_stored_study_is_whole(script: ModuleType, stored: pd.DataFrame) -> None:
    """Every cell and method once, hardly a failed fit, Monte Carlo errors as binomial."""
    expected = len(list(script.cells(script.CLUSTERS))) * len(script.METHODS)
    assert len(stored) == len(stored.drop_duplicates(["Effect", "Sizes", "Clusters", "Method"]))
    assert len(stored) == expected
    assert (stored["Failed"] <= 0.01 * stored["Replicates"]).all()
    n, p = stored["Replicates"] - stored["Failed"], stored["Coverage"]
    assert stored["MC_SE"].to_numpy() == pytest.approx((p * (1 - p) / n) ** 0.5, abs=1e-6)


@pytest.mark.parametrize("sizes", ["balanced", "unbalanced"])
def test_what_the_page_says_of_clusters(stored: pd.DataFrame, sizes: str) -> None:
    """Naive and normal intervals cover too seldom between clusters; small-sample ones do not."""
    for clusters in (5, 10, 20, 40):
        at = ("between", sizes, clusters)
        assert share(stored, "OLS, naive", *at) < 0.80
        assert share(stored, "OLS, CR1", *at) < share(stored, "OLS, CR2 + Satterthwaite", *at)
        assert share(stored, "Mixed, normal", *at) <= share(stored, "Mixed, Kenward-Roger", *at)
        assert share(stored, "OLS, CR2 + Satterthwaite", *at) > 0.92
        assert share(stored, "Mixed, Kenward-Roger", *at) > 0.93
    assert share(stored, "Mixed, normal", "between", sizes, 5) < 0.90


def test_quick_study_repeats_cells_of_the_stored_one(
    script: ModuleType, stored: pd.DataFrame
) -> None:
    """A cell's seed depends on the cell alone: a short run agrees up to Monte Carlo error."""
    between = script.EFFECTS[0]
    quick = script.study_cell(between, "unbalanced", 10, 60, False)
    again = script.study_cell(between, "unbalanced", 10, 60, False)
    pd.testing.assert_frame_equal(quick, again)
    for row in quick.itertuples():
        whole = share(stored, row.Method, "between", "unbalanced", 10)
        assert abs(row.Coverage - whole) < 4 * (whole * (1 - whole) / 60) ** 0.5
    naive = share(quick, "OLS, naive", "between", "unbalanced", 10)
    assert naive < share(quick, "OLS, CR2 + Satterthwaite", "between", "unbalanced", 10) - 0.1


def test_command_writes_table_and_figure(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("plotnine")
    script.main(["--quick", "--replicates", "2", "--silent", "--to", str(tmp_path)])
    assert {p.name for p in tmp_path.iterdir()} == {"coverage.csv", "coverage.md", "coverage.png"}
    assert (tmp_path / "coverage.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(SystemExit):
        script.main(["--quick"])
    assert "would overwrite the full study" in capsys.readouterr().err
