"""Fits of 200 rows: processor time of one call of ``lmer``, after ten calls to warm up.

    python benchmarks/small.py [--before CHECKOUT]

Every program works in a process of its own, one thread, in turns, and the least of all calls
counts: other work on the machine makes calls longer, never shorter. ``--before`` names another
checkout of mlpool that is measured in the same run; statsmodels and lme4 are left out where they
are not installed. "Calls" are calls of functions in one fit, by Python's profiler: no clock is in
them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
FORMULAS = ("y ~ x + (1 | g)", "y ~ x + (x | g)")
MADE = """
import numpy as np, pandas as pd, time, warnings, cProfile, pstats
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
d = pd.DataFrame({"x": rng.normal(size=200), "g": np.repeat(np.arange(20), 10)})
d["y"] = 1 + 0.5 * d.x + rng.normal(size=20)[d.g] + rng.normal(size=200)
def least(fit, times):
    for _ in range(min(times, 10)):
        fit()
    seen = []
    for _ in range(times):
        start = time.process_time()
        fit()
        seen.append(time.process_time() - start)
    return min(seen)
"""
MLPOOL = """
import mlpool
fit = lambda: mlpool.lmer(formula, d)
seconds = least(fit, 200)
profile = cProfile.Profile()
profile.runcall(fit)
print(seconds, pstats.Stats(profile).total_calls)
"""
STATSMODELS = """
import statsmodels.formula.api as smf
bar = "~x" if "x |" in formula else "1"
print(least(lambda: smf.mixedlm("y ~ x", d, groups="g", re_formula=bar).fit(), 10), "-")
"""
LME4 = """
suppressMessages(library(lme4)); d <- read.csv("{path}"); s <- numeric(0)
fit <- function() suppressMessages(suppressWarnings(lmer({formula}, d)))
for (i in 1:5) fit()
for (i in 1:30) {{ p <- proc.time(); for (k in 1:5) fit(); q <- proc.time() - p
  s <- c(s, sum(q[1:2]) / 5) }}
cat(min(s), "-")
"""


def measured(command: list[str], checkout: str = "") -> tuple[float, str] | None:
    """Return seconds and calls as a process prints them; None where it fails."""
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": checkout}
    done = subprocess.run(
        command, env={**os.environ, **one}, cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode:
        return None
    seconds, calls = done.stdout.split()[-2:]
    return float(seconds), calls


def main() -> None:
    """Read the arguments and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default=None, help="another checkout of mlpool")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    path = Path(os.environ.get("TMPDIR", "/tmp")) / "small.csv"
    subprocess.run([sys.executable, "-c", f"{MADE}\nd.to_csv({str(path)!r})"], check=True)
    print("| model | program | ms of processor time | calls |\n|---|---|---|---|")
    for formula in FORMULAS:
        python = [sys.executable, "-c"]
        head = f"formula = {formula!r}\n{MADE}\n"
        programs = {"mlpool": ([*python, head + MLPOOL], str(HERE))}
        if arguments.before:
            programs["mlpool before"] = ([*python, head + MLPOOL], arguments.before)
        programs["statsmodels"] = ([*python, head + STATSMODELS], "")
        if shutil.which("Rscript"):
            script = LME4.format(path=path, formula=formula)
            programs["lme4"] = (["Rscript", "-e", script], "")
        seen: dict[str, list[tuple[float, str]]] = {name: [] for name in programs}
        for _ in range(arguments.turns):
            for name, (command, checkout) in programs.items():
                found = measured(command, checkout)
                seen[name] += [] if found is None else [found]
        for name, found_all in seen.items():
            if found_all:
                seconds, calls = min(found_all)
                shown = formula.replace("|", "&#124;")
                print(f"| <code>{shown}</code> | {name} | {1e3 * seconds:.2f} | {calls} |")


if __name__ == "__main__":
    main()
