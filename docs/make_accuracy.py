"""Fit every reference case, and write the largest deviations from R into ``docs/accuracy.md``.

    python docs/make_accuracy.py

Reference data and values are expected in ``../shared`` (or ``MLPOOL_SHARED``), as for the tests.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mlpool

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from reference.prepare import load_cases, load_data  # noqa: E402

PAGE = ROOT / "docs" / "accuracy.md"
Deviation = tuple[str, str, float]
"""Quantity, how it is measured, largest deviation in one case."""

SHARE, ABSOLUTE, PER_SE = "relative", "absolute", "in SEs"


def relative(mine: Any, theirs: Any) -> float:
    """Return the largest deviation as a share of R's value."""
    a, b = _pair(mine, theirs)
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-300), initial=0.0))


def absolute(mine: Any, theirs: Any, unit: Any = 1.0) -> float:
    """Return the largest deviation in `unit`."""
    a, b = _pair(mine, theirs)
    return float(np.max(np.abs(a - b) / np.asarray(unit, dtype=float), initial=0.0))


def covariance(mine: Any, theirs: Any) -> float:
    """Return the largest deviation of a covariance, in units of R's standard errors."""
    a, b = _pair(mine, theirs)
    se = np.sqrt(np.diag(b))
    return float(np.max(np.abs(a - b) / np.outer(se, se)))


def _pair(mine: Any, theirs: Any) -> tuple[np.ndarray, np.ndarray]:
    b = np.array([np.inf if v == "Inf" else v for v in np.ravel(theirs)], dtype=float)
    a = np.asarray(mine, dtype=float)
    b = b.reshape(a.shape)
    same = np.isinf(a) & np.isinf(b)
    return np.where(same, 0.0, a), np.where(same, 0.0, b)


def coefficients(m: Any, r: dict[str, Any]) -> Iterator[Deviation]:
    """Compare estimates and their standard errors."""
    yield "coefficients", PER_SE, absolute(m.fixef(), r["estimate"], r["se"])
    yield "standard errors", SHARE, relative(m.se, r["se"])


def linear_mixed(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``lmer`` with lme4, lmerTest and pbkrtest."""
    data, contrasts = load_data(shared, case)
    m = mlpool.lmer(
        case["formula"], data, REML=case["REML"], weights=case["weights"],
        offset=case.get("offset"), contrasts=contrasts or None,
    )  # fmt: skip
    r = case["result"]
    yield "log-likelihood", ABSOLUTE, absolute(m.loglik, r["logLik"])
    yield from coefficients(m, r["fixef"])
    yield "residual SD", SHARE, relative(m.sigma, r["sigma"])
    notes = str(case.get("notes") or "")
    if "not identified" not in notes and "over-param" not in notes:
        sds = [absolute(b.sd, e["sd"], r["sigma"]) for b, e in
               zip(m.varcorr().blocks, r["varcorr"], strict=True)]  # fmt: skip
        yield "SDs of random effects", "in residual SDs", max(sds)
    modes = m.ranef()
    yield (
        "random effects",
        "in residual SDs",
        max(absolute(modes[e["group"]][e["term"]][:6], e["condval"], r["sigma"])
            for e in r["ranef"]),
    )  # fmt: skip
    for name, method in (("satterthwaite", "satterthwaite"), ("kenward_roger", "kenward")):
        theirs = r.get(name)
        if method == "kenward" and case["weights"]:
            continue  # pbkrtest leaves prior weights out of V, which mlpool does not copy
        if theirs and "error" not in theirs:
            table = mlpool.model_parameters(m, effects="fixed", ci_method=method)
            label = {"kenward": "Kenward-Roger", "satterthwaite": "Satterthwaite"}[method]
            yield f"{label} df", SHARE, relative(table["df_error"], theirs["df"])
            if method == "kenward":
                yield f"{label} standard errors", SHARE, relative(table["SE"], theirs["se"])
    exact = r.get("variance_exact")
    if exact:
        got = mlpool.r2(m, tolerance=0)
        theirs = [exact["r2_marginal"], exact["r2_conditional"]]
        mine = [got[f"R2_{k}"].iloc[0] for k in ("marginal", "conditional")]
        yield "R2 (marginal, conditional)", ABSOLUTE, absolute(mine, theirs)


def generalised_mixed(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``glmer`` with lme4 and glmmTMB."""
    data, _ = load_data(shared, case)
    m = mlpool.glmer(
        case["formula"], data, family=(case["family"]["family"], case["family"]["link"]),
        nAGQ=case["nAGQ"], weights=case.get("weights"), offset=case.get("offset"),
    )  # fmt: skip
    r = case["result"]
    yield "log-likelihood", ABSOLUTE, absolute(m.loglik, r["logLik"])
    accurate = r.get("hessian_numDeriv") or {}
    se = accurate.get("se", r["fixef"]["se"])
    yield "coefficients", PER_SE, absolute(m.fixef(), r["fixef"]["estimate"], se)
    yield "standard errors", SHARE, relative(m.se, se)
    sds = zip(m.varcorr().blocks, r["varcorr"], strict=True)
    yield "SDs of random effects", SHARE, max(relative(b.sd, e["sd"]) for b, e in sds)


def linear(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``lm`` with R's, and its robust covariances with sandwich and clubSandwich."""
    data, contrasts = load_data(shared, case)
    m = mlpool.lm(case["formula"], data, weights=case.get("weights"), contrasts=contrasts or None)
    r = case["result"]
    yield from coefficients(m, r["lm"]["coef"])
    yield "log-likelihood", ABSOLUTE, absolute(m.loglik, r["lm"]["logLik"])
    yield from robust(m, case, "vcovHC", None, "HC0-HC5 covariances")
    yield from robust(m, case, "vcovCL", case["cluster"], "vcovCL covariances")
    yield from robust(m, case, "clubSandwich", case["cluster"], "CR0-CR3 covariances")
    test = r["coef_test"]["CR2 Satterthwaite"]
    if "error" not in test:
        table = mlpool.coef_test(m, "CR2", case["cluster"])
        yield "CR2 Satterthwaite df", SHARE, relative(table["df_error"], test["df"])


def robust(m: Any, case: Any, family: str, cluster: Any, label: str) -> Iterator[Deviation]:
    """Compare the robust covariances of one R package."""
    for kind, theirs in (case["result"].get(family) or {}).items():
        if kind[:2] in ("HC", "CR") and "vcov" in theirs:
            yield label, "in SEs squared", covariance(m.vcov(kind, cluster), theirs["vcov"])


def generalised(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``glm`` with R's."""
    data, _ = load_data(shared, case)
    family = (case["family"]["family"], case["family"]["link"])
    m = mlpool.glm(case["formula"], data, family=family, weights=case.get("weights"))
    r = case["result"]
    yield from coefficients(m, r["coef"])
    yield "log-likelihood", ABSOLUTE, absolute(m.loglik, r["logLik"])
    yield from robust(m, case, "vcovHC", None, "HC0-HC3 covariances")
    yield from robust(m, case, "vcovCL", case["cluster"], "vcovCL covariances")


def robust_mixed(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare cluster-robust tests of ``lmer`` fits with clubSandwich."""
    data, _ = load_data(shared, case)
    m = mlpool.lmer(case["formula"], data)
    for kind, theirs in case["result"].items():
        table = mlpool.coef_test(m, kind, case["cluster"])
        yield "CR0-CR3 standard errors", SHARE, relative(table["SE"], theirs["se"])
        yield "Satterthwaite df", SHARE, relative(table["df_error"], theirs["df"])


def profile(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare profile intervals of ``confint`` with lme4's, row by row of the same name."""
    data, _ = load_data(shared, case)
    family = "binomial" if "binomial" in case["family"]["family"] else None
    m = mlpool.fit(case["formula"], data, family=family, reml=case["REML"])
    for level, theirs in case["result"]["profile"].items():
        table = mlpool.confint(m, level=float(level.split("_")[1]), oldNames=False)
        mine = table.loc[theirs["names"]].to_numpy()
        bounds = np.column_stack([theirs["low"], theirs["high"]])
        yield "bounds", "in widths", absolute(mine, bounds, np.diff(bounds, axis=1))


def likelihood_ratio(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``anova`` of several models with lme4's."""
    data, _ = load_data(shared, case)
    family = "binomial" if "binomial" in case["family"]["family"] else None
    models = [mlpool.fit(f, data, family=family, reml=case["REML"]) for f in case["formula"]]
    table = mlpool.anova(*models, refit=case["result"]["refit"])
    theirs = case["result"]["table"]
    # lme4 does not find the optimum of heck's last model: its likelihood is below the third's.
    count = 3 if case["id"] == "lrt_heck" else len(models)
    yield "log-likelihood", ABSOLUTE, absolute(table["logLik"][:count], theirs["logLik"][:count])
    yield "Chi2", SHARE, relative(table["Chi2"][1:count], theirs["chisq"][1:count])


def marginal_means(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare ``emmeans`` and ``emtrends`` with R's."""
    data, contrasts = load_data(shared, case)
    m = mlpool.fit(case["formula"], data, contrasts=contrasts or None)
    options = {"lmer_df": case["lmer_df_mode"]} if case["lmer_df_mode"] else {}
    theirs = case["result"]["means"]
    if case["emtrends_var"]:
        table = mlpool.emtrends(m, case["emmeans_spec"], case["emtrends_var"], **options)
    else:
        table = mlpool.emmeans(m, case["emmeans_spec"], at=case["at"], **options)
    value = table["Slope" if case["emtrends_var"] else "Mean"]
    yield "means and slopes", PER_SE, absolute(value, theirs["estimate"], theirs["se"])
    yield "standard errors", SHARE, relative(table["SE"], theirs["se"])
    yield "df", SHARE, relative(table["df"], theirs["df"])


def standardized(case: dict[str, Any], shared: Path) -> Iterator[Deviation]:
    """Compare standardized coefficients with effectsize's."""
    data, _ = load_data(shared, case)
    m = mlpool.fit(case["formula"], data)
    for method in ("refit", "posthoc", "basic", "smart", "pseudo"):
        theirs = case["result"][method]
        if "error" not in theirs:
            table = mlpool.standardize_parameters(m, method)
            yield "coefficients", ABSOLUTE, absolute(table["Std_Coefficient"], theirs["std"])
            yield "bounds", ABSOLUTE, absolute(table["CI_low"], theirs["ci_low"])


Compare = Callable[[dict[str, Any], Path], Iterator[Deviation]]
KINDS: dict[str, tuple[tuple[str, ...], Compare]] = {
    "`lmer` and lme4, lmerTest, pbkrtest": (("lmm", "lmm_large"), linear_mixed),
    "`glmer` and lme4, glmmTMB": (("glmm",), generalised_mixed),
    "`lm` and R, sandwich, clubSandwich": (("ols",), linear),
    "`glm` and R, sandwich": (("glm",), generalised),
    "`lmer` with clusters and clubSandwich": (("robust_lmer",), robust_mixed),
    "Profile intervals (`confint`) and lme4": (("confint",), profile),
    "`anova` of several models and lme4": (("lrt",), likelihood_ratio),
    "`emmeans`, `emtrends` and emmeans": (("emmeans",), marginal_means),
    "`standardize_parameters` and effectsize": (("effectsize",), standardized),
}


def is_boundary(case: dict[str, Any]) -> bool:
    """Tell whether R's own optimum is at a boundary, where it knows theta to 1e-3 only."""
    result = case["result"]
    return bool(result.get("singular")) or "bound" in str(case.get("notes") or "")


def measure(shared: Path, only: set[str] | None = None) -> pd.DataFrame:
    """Return one row per case and quantity; `only` takes these cases."""
    rows = []
    for kind, (families, compare) in KINDS.items():
        for family in families:
            for case in load_cases(shared, family):
                if only is not None and case["id"] not in only:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", mlpool.MlpoolWarning)
                    found = list(compare(case, shared))
                place = f"{kind}, at a boundary" if is_boundary(case) else kind
                rows += [(place, quantity, unit, case["id"], d) for quantity, unit, d in found]
    return pd.DataFrame(rows, columns=["kind", "quantity", "unit", "case", "deviation"])


def markdown(rows: pd.DataFrame) -> str:
    """Return a table per kind: the largest deviation of each quantity, its unit, and where."""
    parts = []
    for kind, own in rows.groupby("kind", sort=False):
        count = own["case"].nunique()
        lines = [f"## {kind}: {count} case{'s' if count > 1 else ''}", "",
                 "| quantity | cases | largest deviation | median | measured | where |",
                 "|---|---|---|---|---|---|"]  # fmt: skip
        for (quantity, unit), values in own.groupby(["quantity", "unit"], sort=False):
            by_case = values.groupby("case", sort=False)["deviation"].max()
            lines.append(
                f"| {quantity} | {len(by_case)} | {_rounded(by_case.max())} "
                f"| {_rounded(by_case.median())} | {unit} | {by_case.idxmax()} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _rounded(value: float) -> str:
    """Return one digit: below 1e-13 it is rounding."""
    return "< 1e-13" if value < 1e-13 else f"{value:.0e}"


def find_shared() -> Path:
    """Return the folder of the reference material."""
    return Path(os.environ.get("MLPOOL_SHARED") or ROOT.parent / "shared")


def main() -> None:
    """Write the page's tables."""
    before, rest = PAGE.read_text(encoding="utf-8").split("<!-- accuracy -->\n", 1)
    after = rest.split("<!-- end -->", 1)[1]
    table = markdown(measure(find_shared()))
    PAGE.write_text(f"{before}<!-- accuracy -->\n{table}\n<!-- end -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
