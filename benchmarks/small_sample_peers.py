"""Satterthwaite's df of mlpool and of mixedlm, the Python peer that gets them right, in one run.

    python benchmarks/small_sample_peers.py --peers PYTHON

PYTHON is an interpreter with mixedlm. Processor time on one thread from a fitted model to the df of
all fixed effects, best of five fits; below each other the df, so that a wrong one is seen.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

TASKS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "Penicillin": "diameter ~ 1 + (1|plate) + (1|sample)",
    "hsb82": "math ~ ses + (ses | school)",
}

CLOCK = """
import sys, time, warnings
import pandas as pd
warnings.simplefilter("ignore")
{imports}
d = pd.read_csv(sys.argv[1])
seconds = []
for _ in range(5):
    m = {fit}(sys.argv[2], d)
    begun = time.process_time()
    df = {df}
    seconds.append(time.process_time() - begun)
print(min(seconds), *[format(float(v), ".2f") for v in df])
"""

PROGRAMS = {
    "mlpool, Satterthwaite": (
        "import mlpool",
        "mlpool.lmer",
        'mlpool.model_parameters(m, ci_method="satterthwaite", effects="fixed")["df_error"]',
    ),
    "mlpool, Kenward-Roger": (
        "import mlpool",
        "mlpool.lmer",
        'mlpool.model_parameters(m, ci_method="kenward", effects="fixed")["df_error"]',
    ),
    "mixedlm, Satterthwaite": ("import mixedlm", "mixedlm.lmer", "mixedlm.satterthwaite_df(m).df"),
    "mixedlm, Kenward-Roger": ("import mixedlm", "mixedlm.lmer", "mixedlm.kenward_roger_df(m).df"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", required=True, help="Python that has mixedlm installed")
    peers = parser.parse_args().peers
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    print("| model | program | ms | df |\n|---|---|---|---|")
    for name, formula in TASKS.items():
        (path,) = (ROOT / "mlpool" / "datasets" / "data").glob(f"{name}.csv*")
        for program, (imports, fit, df) in PROGRAMS.items():
            python = sys.executable if program.startswith("mlpool") else peers
            code = CLOCK.format(imports=imports, fit=fit, df=df)
            done = subprocess.run(
                [python, "-c", code, str(path), formula],
                capture_output=True, text=True, check=True, env=environment,
            )  # fmt: skip
            seconds, *values = done.stdout.split()
            print(f"| {name} | {program} | {1000 * float(seconds):.1f} | {', '.join(values)} |")


if __name__ == "__main__":
    main()
