"""Time of 1,000 bootstrap replicates of heck2011 `math ~ ses + (1 | school)`, by kind.

Run ``python benchmarks/bootstrap.py [data.csv]``; the default is the reference material's file.
Processes are as many as cores. lme4's ``bootMer`` is timed too where Rscript has lme4.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import mlpool

REPLICATES = 1000
DATA = Path(__file__).parents[1].parent / "shared" / "data" / "heck2011.csv"
R = """
library(lme4); d <- read.csv("{data}")
m <- lmer(math ~ ses + (1 | school), d)
f <- function(m) c(as.data.frame(VarCorr(m))$sdcor, fixef(m))
t <- system.time(bootMer(m, f, nsim = 100, seed = 1))[["elapsed"]]
cat(t * {replicates} / 100)
"""


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    m = mlpool.lmer("math ~ ses + (1 | school)", pd.read_csv(data))
    print("| kind | processes | s |\n|---|---|---|")
    for kind in ("parametric", "case", "residual"):
        for jobs in (1, -1):
            begun = time.perf_counter()
            mlpool.bootstrap(m, REPLICATES, kind, seed=1, n_jobs=jobs)
            seconds = time.perf_counter() - begun
            print(f"| {kind} | {'all cores' if jobs < 0 else jobs} | {seconds:.2f} |", flush=True)
    if shutil.which("Rscript"):
        script = R.format(data=data, replicates=REPLICATES)
        done = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            print(f"| lme4 bootMer | 1 | {float(done.stdout.split()[-1]):.1f} (from 100) |")


if __name__ == "__main__":
    main()
