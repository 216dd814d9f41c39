"""Three answers to clustered data: complete, no and partial pooling of students in schools.

    python examples/lecture_pooling.py                       # bundled High School and Beyond data
    python examples/lecture_pooling.py --data heck2011.csv   # a file with math, ses, female, school

A school's mean (or slope) can be taken from all students together, from its own students alone, or
from its own students with strength borrowed from the others. The three differ in what they assume,
and this script fits all of them to the same rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import mlpool


def read_schools(path: str | None) -> pd.DataFrame:
    """Return the bundled schools, or a CSV file prepared in the same way."""
    if path is None:
        return mlpool.load_data("hsb82")
    dat = pd.read_csv(path, encoding="utf-8-sig")
    dat["gender"] = mlpool.factor(dat["female"], levels=[0, 1], labels=["M", "F"])
    dat["school"] = mlpool.factor(dat["school"])
    return dat


def title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def complete_pooling(dat: pd.DataFrame) -> Any:
    """One regression for all students; clustering is corrected for in the standard errors."""
    title("Complete pooling: math ~ 1 + ses + gender")
    ols = mlpool.lm("math ~ 1 + ses + gender", dat)
    naive = mlpool.model_parameters(ols)
    robust = mlpool.model_parameters(ols, vcov="vcovCL", cluster="school")
    print(naive, "\nCluster-robust (vcovCL by school):\n", robust, sep="\n")
    before, after = naive.to_pandas()["SE"], robust.to_pandas()["SE"]
    for name, a, b in zip(naive.to_pandas()["Parameter"], before, after, strict=True):
        print(f"SE of {name}: {a:.2f} -> {b:.2f}")
    return ols


def no_pooling(dat: pd.DataFrame) -> pd.DataFrame:
    """Every school has its own intercept (A), then its own slope too (B)."""
    title("No pooling, A: math ~ 1 + ses + school")
    additive = mlpool.lm("math ~ 1 + ses + school", dat)
    table = mlpool.model_parameters(additive).to_pandas().set_index("Parameter")
    ses = table.loc["ses"]
    print(
        f"One slope for all {dat['school'].nunique()} schools: {ses['Coefficient']:.2f}, "
        f"SE {ses['SE']:.2f}, 95% CI [{ses['CI_low']:.2f}, {ses['CI_high']:.2f}], "
        f"t({additive.df_residual:.0f}) = {ses['t']:.2f}"
    )

    title("No pooling, B: math ~ ses * school")
    slopes = slopes_by_school(mlpool.lm("math ~ ses * school", dat))
    print(slopes.head(8).to_string(index=False, float_format="{:.2f}".format))
    print(f"... and {len(slopes) - 8} more")
    tests = len(slopes)
    print(
        f"\n{tests} tests: about {0.05 * tests:.0f} fall below .05 by chance alone; "
        f"{(slopes['p'] < 0.05).sum()} do here."
    )
    return slopes


def slopes_by_school(model: Any) -> pd.DataFrame:
    """Return the slope of ses in each school: the common slope plus the school's interaction."""
    beta, cov = mlpool.coef(model), mlpool.vcov(model).to_numpy()
    names = list(beta.index)
    labels = [n.removeprefix("school") for n in names if n.startswith("school")]
    reference = next(x for x in model.design.frame.column("school").levels if x not in labels)
    pick = np.zeros((len(labels) + 1, len(names)))
    pick[:, names.index("ses")] = 1.0
    for row, label in enumerate(labels, start=1):
        pick[row, names.index(f"ses:school{label}")] = 1.0
    slope = pick @ beta.to_numpy()
    se = np.sqrt(np.einsum("ij,jk,ik->i", pick, cov, pick, optimize=True))
    t = slope / se
    margin = stats.t.ppf(0.975, model.df_residual) * se
    p = 2 * stats.t.sf(np.abs(t), model.df_residual)
    low, high = slope - margin, slope + margin
    return pd.DataFrame(
        {
            "school": [reference, *labels],
            "Slope": slope,
            "SE": se,
            "CI_low": low,
            "CI_high": high,
            "t": t,
            "p": p,
        }
    )


def partial_pooling(dat: pd.DataFrame, ols: Any) -> dict[str, Any]:
    """Schools are draws from a population of schools: each borrows strength from the others."""
    models = {
        "null": mlpool.lmer("math ~ 1 + (1 | school)", dat),
        "intercepts": mlpool.lmer("math ~ ses + gender + (1 | school)", dat),
        "slopes": mlpool.lmer("math ~ ses + gender + (ses | school)", dat),
    }
    for name, model in models.items():
        title(f"Partial pooling, {name}: {model.formula.text}")
        print(mlpool.model_parameters(model))
    title("Side by side")
    print(mlpool.compare_parameters(complete=ols, intercepts=models["intercepts"]))
    return models


def shrinkage_table(dat: pd.DataFrame, null: Any, *, n: int = 20) -> pd.DataFrame:
    """Return the means of the `n` smallest schools, unpooled and partially pooled."""
    schools = dat.groupby("school", observed=True)["math"].agg(n="size", unpooled="mean")
    schools.index = schools.index.astype(str)
    schools["pooled"] = mlpool.coef(null)["school"]["(Intercept)"].rename(index=str)
    tau2 = mlpool.VarCorr(null).blocks[0].vcov[0, 0]
    schools["weight"] = tau2 / (tau2 + null.sigma**2 / schools["n"])
    return schools.sort_values("n", kind="stable").head(n)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="CSV with columns school, math, ses, female (0/1)")
    dat = read_schools(parser.parse_args(argv).data)
    ols = complete_pooling(dat)
    no_pooling(dat)
    models = partial_pooling(dat, ols)
    title("Shrinkage: means of the 20 smallest schools")
    print(shrinkage_table(dat, models["null"]).to_string(float_format="{:.4f}".format))
    print(f"\nGrand mean: {mlpool.fixef(models['null']).iloc[0]:.3f}")


if __name__ == "__main__":
    main()
