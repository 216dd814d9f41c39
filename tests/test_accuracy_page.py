"""The page of deviations from R says what a run finds, and measures as it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import load_script

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
SOME = {
    "sleep_rs_reml", "dyestuff2_reml_singular", "cbpp_laplace", "ols_missing", "glm_cbpp",
    "roblmer_sleep", "ci_sleep_rs_reml", "lrt_sleep_fixed", "emm_lm_cake_main", "std_lm_heck",
}  # fmt: skip

LIMITS = {
    "log-likelihood": 1e-6, "coefficients": 1e-4, "standard errors": 5e-4, "residual SD": 1e-5,
    "SDs of random effects": 1e-4, "random effects": 1e-5, "Satterthwaite df": 1e-5,
    "Kenward-Roger df": 1e-7, "Kenward-Roger standard errors": 1e-7,
    "R2 (marginal, conditional)": 1e-6, "HC0-HC5 covariances": 1e-9, "vcovCL covariances": 1e-6,
    "CR0-CR3 covariances": 1e-8, "CR2 Satterthwaite df": 1e-9, "HC0-HC3 covariances": 1e-6,
    "CR0-CR3 standard errors": 1e-9, "bounds": 2e-4, "Chi2": 1e-6, "means and slopes": 1e-6,
    "df": 1e-6,
}  # fmt: skip
"""What the page may show at most: tests/tolerances.py, tighter where R is better there."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs", "make_accuracy.py")


def shown() -> dict[tuple[str, str], float]:
    """Return the largest deviations of the page by heading and quantity."""
    found = {}
    for part in PAGE.split("\n## ")[1:]:
        heading = part.split(": ", 1)[0]
        for line in part.splitlines():
            cells = [c.strip() for c in line.strip("|").split("|")]
            if len(cells) == 6 and cells[1].isdigit():
                found[heading, cells[0]] = float(cells[2].removeprefix("< "))
    return found


def test_page_is_within_limits() -> None:
    table = shown()
    assert len(table) > 30
    for (heading, quantity), value in table.items():
        assert value <= LIMITS[quantity], (heading, quantity)


def test_page_counts_every_case(script: ModuleType, shared: Path) -> None:
    counts = sum(int(n) for n in re.findall(r"^## .*: (\d+) cases?$", PAGE, re.MULTILINE))
    families = [family for names, _ in script.KINDS.values() for family in names]
    cases = [case["id"] for family in families for case in script.load_cases(shared, family)]
    assert counts == len(cases)


def test_a_run_finds_what_the_page_says(script: ModuleType, shared: Path) -> None:
    rows = script.measure(shared, only=SOME)
    assert set(rows["case"]) == SOME
    largest = shown()
    for row in rows.itertuples():
        # Rounded to one digit; another machine's rounding errors differ by a few units.
        assert row.deviation <= 2 * largest[row.kind, row.quantity] + 1e-11, row


def test_measures(script: ModuleType) -> None:
    assert script.relative([1.1, 2.0], [1.0, 2.0]) == pytest.approx(0.1)
    assert script.relative([np.inf, 5.0], ["Inf", 4.0]) == pytest.approx(0.25)
    assert script.absolute([1.0, 3.0], [1.5, 3.0], [0.5, 1.0]) == pytest.approx(1.0)
    assert script.covariance(np.eye(2), [[1.0, 0.2], [0.2, 4.0]]) == pytest.approx(0.75)
