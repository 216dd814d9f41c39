"""Count how often 95 % intervals contain the truth, by method, on simulated clusters.

    python benchmarks/coverage.py                     # 2000 data sets per cell: ten minutes
    python benchmarks/coverage.py --quick --to DIR    # 40 data sets, 5 and 40 clusters: seconds

Three effects: of a cluster-level predictor (between), of a unit-level predictor whose slope is the
same in every cluster (within), and of one whose slope varies. Clusters hold 10 units each
(balanced) or 2, 3, 5, 10 and 30 in turn (unbalanced, mean 10); the ICC is 0.2.

Writes ``coverage.csv`` beside this file, the table in ``docs/inference.md`` and its figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mlpool

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
METHODS = ("lm", "CR1", "CR2", "normal", "satterthwaite", "kenward")
CLUSTERS = (5, 10, 20, 40)
SIZES = {"balanced": (10, 10, 10, 10, 10), "unbalanced": (2, 3, 5, 10, 30)}
SEED = 20240229


@dataclass(frozen=True, slots=True)
class Effect:
    """A coefficient that is judged, and the population it comes from."""

    label: str
    parameter: str
    random_slope: bool
    design: dict[str, float]


EFFECTS = (
    Effect("between", "w", False, {"effect_w": 0.3}),
    Effect("within", "x", False, {"slope": 0.3}),
    Effect("within, slope varies", "x", True, {"slope": 0.3, "sd_slope": 0.5}),
)


def cells(clusters: Sequence[int]) -> Iterator[tuple[Effect, str, int]]:
    """Yield every combination of effect, sizes and number of clusters."""
    for effect in EFFECTS:
        for sizes in SIZES:
            for count in clusters:
                yield effect, sizes, count


def study_cell(effect: Effect, sizes: str, count: int, replicates: int, bar: bool) -> pd.DataFrame:
    """Return coverage by method in one cell; its seed depends on the cell alone."""
    key = (EFFECTS.index(effect), list(SIZES).index(sizes), count)
    study = mlpool.coverage_study(
        effect.parameter,
        n_sims=replicates,
        methods=METHODS,
        random_slope=effect.random_slope,
        seed=np.random.SeedSequence((SEED, *key)),
        progress=bar,
        n_clusters=count,
        n_per_cluster=[SIZES[sizes][j % 5] for j in range(count)],
        icc=0.2,
        **effect.design,
    )
    table = study.to_pandas()
    table.insert(0, "Effect", effect.label)
    table.insert(1, "Sizes", sizes)
    table.insert(2, "Clusters", count)
    return table


def run(clusters: Sequence[int], replicates: int, bar: bool) -> pd.DataFrame:
    """Return the whole study, one row per cell and method."""
    grid = list(cells(clusters))
    tables = []
    for i, (effect, sizes, count) in enumerate(grid):
        if bar:
            print(f"{i + 1}/{len(grid)}  {effect.label}, {sizes}, {count} clusters",
                  file=sys.stderr)  # fmt: skip
        tables.append(study_cell(effect, sizes, count, replicates, bar))
    result = pd.concat(tables, ignore_index=True)
    return result.assign(Replicates=replicates)


def markdown(result: pd.DataFrame) -> str:
    """Return coverage in percent (Monte Carlo standard error), methods down, clusters across."""
    counts = list(dict.fromkeys(result["Clusters"]))
    lines = [
        "| effect | sizes | method | " + " | ".join(f"{c} clusters" for c in counts) + " |",
        "|---|---|---|" + "---|" * len(counts),
    ]
    keys = ["Effect", "Sizes", "Method"]
    for (effect, sizes, method), rows in result.groupby(keys, sort=False):
        by_count = rows.set_index("Clusters")
        shares = [
            f"{100 * by_count.at[c, 'Coverage']:.1f} ({100 * by_count.at[c, 'MC_SE']:.1f})"
            for c in counts
        ]
        lines.append(f"| {effect} | {sizes} | {method} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


def figure(result: pd.DataFrame) -> Any:
    """Return coverage by number of clusters, one panel per effect and kind of sizes."""
    import plotnine as g

    from mlpool.plots.grammar import PALETTE

    methods = list(dict.fromkeys(result["Method"]))
    data = result.assign(
        Clusters=pd.Categorical(result["Clusters"].astype(str),
                                [str(c) for c in dict.fromkeys(result["Clusters"])]),
        Method=pd.Categorical(result["Method"], methods),
        Effect=pd.Categorical(result["Effect"], [e.label for e in EFFECTS]),
        low=100 * (result["Coverage"] - 1.96 * result["MC_SE"]),
        high=100 * (result["Coverage"] + 1.96 * result["MC_SE"]),
        share=100 * result["Coverage"],
    )  # fmt: skip
    aside = g.position_dodge(width=0.6)
    return (
        g.ggplot(data, g.aes("Clusters", "share", color="Method", shape="Method", group="Method"))
        + g.geom_hline(yintercept=95, linetype="dashed", color="#555555")
        + g.geom_linerange(g.aes(ymin="low", ymax="high"), position=aside)
        + g.geom_point(position=aside, size=2)
        + g.facet_grid("Sizes ~ Effect")
        + g.scale_color_manual(list(PALETTE))
        + g.labs(x="clusters", y="coverage of 95 % intervals, %", color="", shape="")
        + mlpool.theme_mlpool()
        + g.theme(figure_size=(8, 5.2), legend_position="bottom")
        + g.guides(color=g.guide_legend(nrow=2), shape=g.guide_legend(nrow=2))
    )


def put_between(path: Path, mark: str, text: str) -> None:
    """Replace what stands between ``<!-- mark -->`` and ``<!-- end -->`` of a page."""
    before, rest = path.read_text(encoding="utf-8").split(f"<!-- {mark} -->\n", 1)
    after = rest.split("<!-- end -->", 1)[1]
    path.write_text(f"{before}<!-- {mark} -->\n{text}\n<!-- end -->{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and write its table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--replicates", type=int, help="data sets per cell (2000; quick: 40)")
    parser.add_argument("--quick", action="store_true", help="5 and 40 clusters only")
    parser.add_argument("--to", type=Path, help="write coverage.csv, .md and .png there instead")
    parser.add_argument("--draw", action="store_true", help="redraw from coverage.csv")
    parser.add_argument("--silent", action="store_true", help="no progress bar")
    given = parser.parse_args(arguments)
    if given.quick and given.to is None:
        parser.error("--quick would overwrite the full study: say --to DIR")
    replicates = given.replicates or (40 if given.quick else 2000)
    if given.draw:
        result = pd.read_csv(HERE / "coverage.csv")
    else:
        result = run((5, 40) if given.quick else CLUSTERS, replicates, not given.silent)
    folder = given.to or HERE
    folder.mkdir(parents=True, exist_ok=True)
    result.to_csv(folder / "coverage.csv", index=False, float_format="%.6g")
    picture = DOCS / "figures" / "coverage.png" if given.to is None else folder / "coverage.png"
    figure(result).save(picture, dpi=110, verbose=False)
    if given.to is None:
        put_between(DOCS / "inference.md", "coverage", markdown(result))
    else:
        (folder / "coverage.md").write_text(markdown(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
