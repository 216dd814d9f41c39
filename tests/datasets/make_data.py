"""Write mlpool/datasets/data from R's own copies of the data sets.

    Rscript -e 'for each set: write.csv(as.data.frame(d), "<name>.csv", row.names = FALSE)'
    python tests/datasets/make_data.py FOLDER_WITH_R_CSV

The columns, levels and texts stand here once; the manifest is generated from them. Maintainers run
this when a set is added; tests compare the packaged files with R's copies where those are at hand.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parents[2] / "mlpool" / "datasets" / "data"
GPL_NOTE = (
    "published measurements, as distributed in the R package {0} (GPL >= 2); "
    "cite the original study and the package when you use or pass on the data"
)

N, F, O = "numeric", "factor", "ordered"  # noqa: E741


def letters(first: str, last: str) -> list[str]:
    return [chr(c) for c in range(ord(first), ord(last) + 1)]


def numbers(last: int) -> list[str]:
    return [str(i) for i in range(1, last + 1)]


SETS = [
    {
        "name": "hsb82",
        "from": "Hsb82",
        "package": "mlmRev",
        "gzip": True,
        "description": "High School and Beyond 1982: mathematics achievement of 7185 students "
        "in 160 schools",
        "source": "R package mlmRev 1.0-8, data(Hsb82); Raudenbush & Bryk (2002), Hierarchical "
        "Linear Models, chapter 4. Columns renamed: minrty -> minority, sx -> gender "
        "(Male, Female -> M, F), mAch -> math; student is a running number; cses (= ses - "
        "meanses) is left out; school is an unordered factor in numerical order (R orders it by "
        "meanses)",
        "columns": [
            ("school", F, "school id; 160 levels", "sorted"),
            ("student", N, "running number of the student, 1 to 7185 (not in the source)", None),
            ("math", N, "score in mathematics achievement (source: mAch)", None),
            ("ses", N, "socio-economic status, centred composite scale", None),
            ("gender", F, "M or F (source: sx, Male or Female)", ["M", "F"]),
            ("minority", F, "member of an ethnic minority (source: minrty)", ["No", "Yes"]),
            ("sector", F, "sector of the school", ["Public", "Catholic"]),
            ("meanses", N, "mean of ses in the school", None),
        ],
    },
    {
        "name": "sleepstudy",
        "package": "lme4",
        "description": "Reaction times of 18 subjects over ten days of sleep deprivation",
        "source": "R package lme4 1.1-31, data(sleepstudy); Belenky et al. (2003), Journal of "
        "Sleep Research 12, 1-12",
        "columns": [
            ("Reaction", N, "average reaction time in milliseconds", None),
            ("Days", N, "days of sleep deprivation, 0 to 9", None),
            ("Subject", F, "subject id; 18 levels", "sorted"),
        ],
    },
    {
        "name": "Penicillin",
        "package": "lme4",
        "description": "Diameters of growth inhibition of 6 penicillin samples on each of 24 "
        "plates (crossed)",
        "source": "R package lme4 1.1-31, data(Penicillin); Davies & Goldsmith (1972), Statistical "
        "Methods in Research and Production, section 6.6",
        "columns": [
            ("diameter", N, "diameter of the zone of inhibition in millimetres", None),
            ("plate", F, "assay plate, a to x", letters("a", "x")),
            ("sample", F, "penicillin sample, A to F", letters("A", "F")),
        ],
    },
    {
        "name": "Pastes",
        "package": "lme4",
        "description": "Strength of a chemical paste in 3 casks of each of 10 batches (nested)",
        "source": "R package lme4 1.1-31, data(Pastes); Davies & Goldsmith (1972), Statistical "
        "Methods in Research and Production, section 6.5",
        "columns": [
            ("strength", N, "paste strength", None),
            ("batch", F, "delivery batch, A to J", letters("A", "J")),
            ("cask", F, "cask within the batch, a to c", letters("a", "c")),
            (
                "sample",
                F,
                "batch and cask; 30 levels",
                [f"{b}:{c}" for b in letters("A", "J") for c in "abc"],
            ),
        ],
    },
    {
        "name": "cbpp",
        "package": "lme4",
        "description": "New cases of contagious bovine pleuropneumonia in 15 herds over 4 periods",
        "source": "R package lme4 1.1-31, data(cbpp); Lesnoff et al. (2004), Preventive Veterinary "
        "Medicine 64, 27-40",
        "columns": [
            ("herd", F, "herd id, 1 to 15", numbers(15)),
            ("incidence", N, "number of new cases in the herd and period", None),
            ("size", N, "herd size at the beginning of the period", None),
            ("period", F, "period, 1 to 4", numbers(4)),
        ],
    },
    {
        "name": "cake",
        "package": "lme4",
        "description": "Breakage angle of chocolate cakes: 3 recipes, 6 temperatures, "
        "15 replicates",
        "source": "R package lme4 1.1-31, data(cake); Cook (1938), MSc thesis, Iowa State College; "
        "Cochran & Cox (1957), Experimental Designs, section 7.2",
        "columns": [
            ("replicate", F, "replicate, 1 to 15", numbers(15)),
            ("recipe", F, "recipe, A to C", letters("A", "C")),
            (
                "temperature",
                O,
                "baking temperature in degrees Fahrenheit, ordered",
                [str(t) for t in range(175, 226, 10)],
            ),
            ("angle", N, "angle at which the cake broke, in degrees", None),
            ("temp", N, "baking temperature as a number", None),
        ],
    },
    {
        "name": "Dyestuff",
        "package": "lme4",
        "description": "Yield of dyestuff from 5 preparations of each of 6 batches",
        "source": "R package lme4 1.1-31, data(Dyestuff); Davies & Goldsmith (1972), Statistical "
        "Methods in Research and Production, section 6.4",
        "columns": [
            ("Batch", F, "batch of the intermediate product, A to F", letters("A", "F")),
            ("Yield", N, "yield of dyestuff in grams of standard colour", None),
        ],
    },
    {
        "name": "Dyestuff2",
        "package": "lme4",
        "description": "Simulated yields of 6 batches whose variance estimate is zero",
        "source": "R package lme4 1.1-31, data(Dyestuff2); Box & Tiao (1973), Bayesian Inference "
        "in Statistical Analysis, section 5.1.2",
        "columns": [
            ("Batch", F, "batch, A to F", letters("A", "F")),
            ("Yield", N, "simulated yield", None),
        ],
    },
    {
        "name": "Orthodont",
        "package": "nlme",
        "description": "Dental distances of 27 children at ages 8, 10, 12 and 14",
        "source": "R package nlme 3.1-162, data(Orthodont); Potthoff & Roy (1964), Biometrika 51, "
        "313-326. Subject is an unordered factor here (R orders it by mean distance within sex)",
        "columns": [
            ("distance", N, "pituitary to pterygomaxillary fissure, in millimetres", None),
            ("age", N, "age in years", None),
            (
                "Subject",
                F,
                "child, M01 to M16 and F01 to F11",
                [f"M{i:02}" for i in (16, 5, 2, 11, 7, 8, 3, 12, 13, 14, 9, 15, 6, 4, 1, 10)]
                + [f"F{i:02}" for i in (10, 9, 6, 1, 5, 7, 2, 8, 3, 4, 11)],
            ),
            ("Sex", F, "Male or Female", ["Male", "Female"]),
        ],
    },
]


def tidy_hsb82(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the schools set with mlpool's column names."""
    return pd.DataFrame(
        {
            "school": raw["school"],
            "student": range(1, len(raw) + 1),
            "math": raw["mAch"],
            "ses": raw["ses"],
            "gender": raw["sx"].map({"Male": "M", "Female": "F"}),
            "minority": raw["minrty"],
            "sector": raw["sector"],
            "meanses": raw["meanses"],
        }
    )


def source_table(folder: Path, entry: dict) -> pd.DataFrame:
    """Return R's table with the columns as they are packaged (every cell as R wrote it)."""
    raw = pd.read_csv(folder / f"{entry.get('from', entry['name'])}.csv", dtype=str)
    return tidy_hsb82(raw) if entry["name"] == "hsb82" else raw


def write(entry: dict, table: pd.DataFrame) -> dict:
    """Write one data file; return its line of the manifest."""
    body = table.to_csv(index=False, lineterminator="\n").encode()
    file = entry["name"] + (".csv.gz" if entry.get("gzip") else ".csv")
    if entry.get("gzip"):
        body = gzip.compress(body, 9, mtime=0)
    (DATA / file).write_bytes(body)
    columns = []
    for name, kind, description, levels in entry["columns"]:
        note = {"name": name, "kind": kind, "description": description}
        if levels == "sorted":
            levels = sorted(table[name].unique(), key=int)
        columns.append(note | ({"levels": list(levels)} if levels else {}))
    return {
        "name": entry["name"],
        "file": file,
        "sha256": hashlib.sha256(body).hexdigest(),
        "rows": len(table),
        "description": entry["description"],
        "source": entry["source"],
        "licence": GPL_NOTE.format(entry["package"]),
        "columns": columns,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    DATA.mkdir(exist_ok=True)
    manifest = [write(entry, source_table(folder, entry)) for entry in SETS]
    (DATA / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
