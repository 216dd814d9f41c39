"""Pictures of profiles and bootstrap draws, by the data they are built from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

import mlpool

pytest.importorskip("plotnine")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture(scope="module")
def model() -> Any:
    return mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))


def _layer(plot: Any, name: str) -> Any:
    names = [type(layer.geom).__name__ for layer in plot.layers]
    return plot.layers[names.index(name)]._data


def _draw(plot: Any, folder: Path) -> None:
    path = folder / "plot.png"
    plot.save(path, dpi=40, verbose=False)
    assert path.stat().st_size > 2_000


def test_zeta_curves(model: Any, tmp_path: Path) -> None:
    p = mlpool.profile(model)
    plot = mlpool.plot(p)
    lines, marks = plot.data, _layer(plot, "geom_point")
    bounds = p.confint()
    for name in p.names:
        own, points = lines[lines["Parameter"] == name], marks[marks["Parameter"] == name]
        assert own["y"].is_monotonic_increasing
        np.testing.assert_allclose(sorted(points["x"])[::2], bounds.loc[name], rtol=1e-9)
        np.testing.assert_allclose(sorted(points["y"]), [-1.96, 0.0, 1.96], atol=2e-3)
    assert list(lines["Parameter"].cat.categories) == list(p.names)
    _draw(plot, tmp_path)


def test_profile_densities_are_densities(model: Any, tmp_path: Path) -> None:
    p = mlpool.profile(model)
    plot = p.plot(kind="density", parameters=[".sigma", "(Intercept)"], level=0.9)
    assert list(plot.data["Parameter"].cat.categories) == [".sigma", "(Intercept)"]
    for _, own in plot.data.groupby("Parameter", observed=True):
        # the curve is drawn to zeta of +-2.576
        x, y = own["x"].to_numpy(), own["y"].to_numpy()
        area = float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
        assert area == pytest.approx(2 * norm.cdf(2.5758) - 1, abs=2e-3)
    _draw(plot, tmp_path)


def test_profile_at_the_boundary(tmp_path: Path) -> None:
    with pytest.warns(mlpool.SingularFitWarning):
        m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2"))
    plot = mlpool.profile(m).plot()
    own = plot.data[plot.data["Parameter"] == ".sig01"]
    assert own["x"].min() >= 0.0
    assert own["y"].min() >= 0.0
    _draw(plot, tmp_path)


@pytest.mark.parametrize("kind", ["histogram", "density"])
def test_bootstrap_draws(model: Any, kind: str, tmp_path: Path) -> None:
    b = mlpool.bootstrap(model, 60, seed=1)
    plot = mlpool.plot(b, kind=kind, method="basic", level=0.9)
    assert len(plot.data) == 180
    segments = _layer(plot, "geom_segment")
    np.testing.assert_allclose(segments[["low", "high"]], b.confint(level=0.9, method="basic"))
    np.testing.assert_allclose(segments["estimate"], b.estimate)
    assert len(b.plot(parameters="sigma").data) == 60
    _draw(plot, tmp_path)


def test_mistakes(model: Any) -> None:
    with pytest.raises(mlpool.OptionError, match="kind must be one of"):
        mlpool.profile(model).plot(kind="line")
    with pytest.raises(mlpool.OptionError, match="kind must be one of"):
        mlpool.bootstrap(model, 5, seed=1).plot(kind="violin")
    with pytest.raises(mlpool.OptionError, match="parm must name parameters"):
        mlpool.profile(model).plot(parameters="Days")
    with pytest.raises(mlpool.OptionError, match="no option 'colour'"):
        mlpool.profile(model).plot(colour="red")
