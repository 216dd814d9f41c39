"""Try random models: ``python -m tests.fuzz.run --tries 2000 --seed 1`` prints what does not hold.

One failure again: ``python -m tests.fuzz.run --tries 1 --seed SEED``.
"""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from collections.abc import Callable, Iterator

from tests.fuzz import glmm, laws, lmm, single
from tests.fuzz.designs import Study, make_study

FACTS: dict[str, tuple[Callable[[Study], Iterator[str]], ...]] = {
    "lm": (single.lm_facts, laws.facts),
    "glm": (single.glm_facts, laws.facts),
    "lmer": (lmm.facts, laws.facts),
    "glmer": (glmm.facts, laws.facts),
}


def failures(seed: int, kind: str | None = None) -> list[str]:
    """Return what does not hold of the study of a seed."""
    study = make_study(seed, kind)
    found: list[str] = []
    for facts in FACTS.get(study.kind, ()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found += list(facts(study))
            except Exception:  # a bare error is a finding
                found.append(traceback.format_exc(limit=-3))
    return [f"seed {seed} {study.kind} {study.formula} {study.options}: {text}" for text in found]


SHOWN = 4
"""Texts of one study that are printed."""


def main() -> int:
    """Run the tries that were asked for; the number of studies with a failure is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=("lm", "glm", "lmer", "glmer"))
    parser.add_argument("--seconds", type=float, default=1e9)
    asked = parser.parse_args()
    start, failed, tried = time.process_time(), 0, 0
    for seed in range(asked.seed, asked.seed + asked.tries):
        if time.process_time() - start > asked.seconds:
            break
        texts = failures(seed, asked.kind)
        tried += 1
        failed += bool(texts)
        for text in texts[:SHOWN]:
            print(text, flush=True)
    print(f"{failed} of {tried} studies fail; {time.process_time() - start:.0f} s", flush=True)
    return min(failed, 125)


if __name__ == "__main__":
    raise SystemExit(main())
