"""Render HTML tables and plots as a page, on light and on dark ground, and photograph it.

    python docs/render_gallery.py FOLDER [--browser chromium]

Writes ``light.html`` and ``dark.html``, with a browser pictures of them: a notebook's ground, to
look at before a release. ``tests/test_render_gallery.py`` holds the page well-formed and
self-contained.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import mlpool

GROUNDS = {"light": ("#ffffff", "#222222"), "dark": ("#1e1e1e", "#d4d4d4")}
WIDTH, HEIGHT = 1100, 9600


def tables() -> dict[str, str]:
    """Return HTML by title: what notebooks show of every kind of result."""
    schools = mlpool.load_data("hsb82")
    sleep = mlpool.load_data("sleepstudy")
    flat = mlpool.lm("math ~ ses * sector", schools)
    deep = mlpool.lmer("math ~ ses + sector + (ses | school)", schools)
    slopes = mlpool.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    cbpp = mlpool.load_data("cbpp")
    odds = mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, family="binomial"
    )
    both = mlpool.compare_pooling("math ~ ses", schools, group="school")
    shown: dict[str, Any] = {
        "model_parameters(lm)": mlpool.model_parameters(
            flat, vcov="CR2", cluster="school", include_reference=True
        ),
        "model_parameters(lmer)": mlpool.model_parameters(slopes, ci_method="kenward",
                                                          include_info=True),
        "model_parameters(glmer, exponentiate)": mlpool.model_parameters(odds, exponentiate=True),
        "compare_parameters": mlpool.compare_parameters(flat=flat, deep=deep),
        "coef_test": mlpool.coef_test(flat, "CR2", cluster="school"),
        "compare_pooling": both,
        "compare_performance": mlpool.compare_performance(flat, deep),
        "icc": mlpool.icc(deep),
        "anova": mlpool.anova(deep),
        "anova of two models": mlpool.anova(flat, mlpool.lm("math ~ ses", schools)),
        "joint_tests": mlpool.joint_tests(flat),
        "coverage_study": mlpool.coverage_study(n_sims=2, methods=["lm", "CR2"], seed=1),
        "estimate_means": mlpool.estimate_means(deep, "sector"),
        "estimate_contrasts": mlpool.estimate_contrasts(deep, "sector"),
        "estimate_slopes": mlpool.estimate_slopes(flat, "ses", by="sector"),
        "estimate_grouplevel": mlpool.estimate_grouplevel(slopes),
        "check_collinearity": mlpool.check_collinearity(flat),
        "check_normality": mlpool.check_normality(slopes),
        "bootstrap_parameters": mlpool.bootstrap_parameters(flat, iterations=50, seed=1),
        "summary_table": mlpool.summary_table(deep),
        "report": mlpool.report(slopes),
        "describe_distribution": mlpool.describe_distribution(schools, by="sector"),
        "table_one": mlpool.table_one(schools, ["math", "ses", "gender"], by="sector"),
        "a model": deep,
        "VarCorr": mlpool.VarCorr(slopes),
        "summary": mlpool.summary(slopes),
    }  # fmt: skip
    return {title: as_html(value) for title, value in shown.items()}


def as_html(value: Any) -> str:
    """Return what a notebook shows: HTML, or else the text."""
    if hasattr(value, "_repr_html_"):
        return str(value._repr_html_())
    return f"<pre>{escape(str(value))}</pre>"


def plots() -> dict[str, str]:
    """Return plots as images by title."""
    schools = mlpool.load_data("hsb82")
    m = mlpool.lmer("math ~ ses + sector + (ses | school)", schools)
    both = mlpool.compare_pooling("math ~ ses", schools, group="school")
    drawn = {
        "plot(model_parameters)": mlpool.plot(mlpool.model_parameters(m)),
        "plot_shrinkage": mlpool.plot_shrinkage(m),
        "plot(estimate_relation)": mlpool.plot(mlpool.estimate_relation(m, by=["ses", "sector"])),
        "plot(estimate_means)": mlpool.plot(mlpool.estimate_means(m, "sector")),
        "compare_pooling, panels": both.plot(kind="panels"),
        "plot_icc": mlpool.plot_icc(),
    }
    return {title: as_image(plot) for title, plot in drawn.items()}


def as_image(plot: Any) -> str:
    """Return a plot as an image inside the page."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plot.save(file, format="png", dpi=80, verbose=False)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/png;base64,{data}">'


def page(parts: dict[str, str], ground: str) -> str:
    """Return a page with each part below its title."""
    paper, ink = GROUNDS[ground]
    body = "\n".join(f"<h2>{escape(title)}</h2>\n{html}" for title, html in parts.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>mlpool</title>\n'
        f"<style>body{{background:{paper};color:{ink};font:14px sans-serif;margin:2em}}"
        "h2{font-size:14px;margin:1.5em 0 0.5em}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def photograph(file: Path, picture: Path, browser: str) -> None:
    """Save what the browser shows of a page."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={profile}", "--virtual-time-budget=5000",
             f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", file.as_uri()],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages and photograph them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", help="a Chromium to photograph the pages with")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    parts = {**tables(), **plots()}
    for ground in GROUNDS:
        file = (given.folder / f"{ground}.html").resolve()
        file.write_text(page(parts, ground), encoding="utf-8")
        if given.browser:
            photograph(file, file.with_suffix(".png"), given.browser)


if __name__ == "__main__":
    main()
