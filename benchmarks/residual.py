"""Models with a residual structure: mlpool's processor time beside that of nlme and glmmTMB.

    python benchmarks/residual.py FEV_DATA.csv EGSINGLE.csv [PATIENTS]

The files are ``mmrm::fev_data`` and ``mlmRev::egsingle`` as R writes them; R's times come from
``Rscript benchmarks/residual.R`` with the same files. PATIENTS (0) adds a simulated trial of four
visits with drop-out. One thread; the best of a few fits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

import mlpool


def best(fit: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest processor time of a few fits, the first one not counted."""
    fit()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        fit()
        times.append(time.process_time() - start)
    return min(times)


def trial(patients: int) -> pd.DataFrame:
    """Return a trial of two arms: four visits, patients leave it, visits are missed."""
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(0.5 + 0.5 * np.eye(4) + np.diag([0.0, 0.2, 0.4, 0.6]))
    arm = rng.integers(0, 2, patients)
    y = rng.normal(size=(patients, 4)) @ root.T + 0.2 * arm[:, None] * np.arange(4)
    last = np.minimum(rng.integers(1, 9, patients), 4)
    kept = (np.arange(4) < last[:, None]) & (rng.random((patients, 4)) > 0.02)
    patient, visit = np.nonzero(kept)
    return pd.DataFrame(
        {
            "id": patient,
            "visit": pd.Categorical(visit + 1),
            "arm": pd.Categorical(np.array(["a", "b"])[arm[patient]]),
            "y": y[patient, visit],
        }
    )


def main(fev_file: str, egsingle_file: str, patients: int = 0) -> None:
    """Print a line per model."""
    sleep = mlpool.load_data("sleepstudy")
    fev = pd.read_csv(fev_file).dropna(subset=["FEV1"])
    egsingle = pd.read_csv(egsingle_file)
    serial = {"correlation": "ar1(Days | Subject)"}
    fits: dict[str, Callable[[], object]] = {
        "sleepstudy gls": lambda: mlpool.gls("Reaction ~ Days", sleep, **serial),
        "sleepstudy lme": lambda: mlpool.lmer("Reaction ~ Days + (1 | Subject)", sleep, **serial),
        "fev_data unstructured": lambda: mlpool.mmrm(
            "FEV1 ~ RACE + SEX + ARMCD * AVISIT + us(AVISIT | USUBJID)",
            fev.assign(AVISIT=fev["AVISIT"].astype("category")),
        ),
        "egsingle CAR(1)": lambda: mlpool.lmer(
            "math ~ year + (1 | childid)", egsingle, correlation="car1(year | childid)"
        ),
    }
    if patients:
        many = trial(patients)
        fits[f"{patients} patients"] = lambda: mlpool.mmrm("y ~ arm * visit + us(visit | id)", many)
    for name, fit in fits.items():
        print(f"{name:22} mlpool   {best(fit, 1 if 'patients' in name else 5):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:4]))
