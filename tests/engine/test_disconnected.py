"""Designs that fall apart are eliminated part by part: the numbers of one dense core, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.factorization.block_cholesky import Reduced
from mlpool.engine.lmm import disconnected
from mlpool.engine.lmm.disconnected import Apart, ApartPass
from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.lmm.forward_pass import ForwardPass
from mlpool.engine.lmm.several_factors import SeveralFactors
from mlpool.engine.types import ArrayRows, Control, LmmData, ReTerm

EXACT = Control(solver="cholesky")
RTOL = 1e-10  # of the largest entry: rounding of sums in another order


def regions(kind: str, n: int = 3_000, seed: int = 0) -> LmmData:
    """Patients and doctors of 12 regions, the last of one doctor; labels mixed at random."""
    rng = np.random.default_rng(seed)
    region = np.minimum(rng.integers(0, 12, n), 11)
    doctor = np.where(region == 11, 330, region * 30 + rng.integers(0, 30, n))
    patient = region * 50 + rng.integers(0, 50, n)
    if kind == "seen once":
        doctor[:40] = 331 + np.arange(40)
    practice = 2 * (doctor // 10) + rng.integers(0, 2, n)  # crossed with doctors, in a region
    u, i = (rng.permutation(f.max() + 1)[f] for f in (patient, doctor))
    u, i, w = (np.unique(f, return_inverse=True)[1] for f in (u, i, practice))
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    one, both = ArrayRows(X[:, :1]), ArrayRows(X)
    y = X[:, 1] + rng.normal(size=n) + rng.normal(size=u.max() + 1)[u]
    y += 0.7 * rng.normal(size=i.max() + 1)[i]
    slopes = {"slope first": (both, one), "slope second": (one, both)}
    z = slopes.get(kind, (one, one))
    terms = [
        ReTerm(z=z[0], codes=u, n_levels=int(u.max()) + 1, factor=0),
        ReTerm(z=z[1], codes=i, n_levels=int(i.max()) + 1, factor=1),
    ]
    if kind == "three factors":
        terms.append(ReTerm(z=one, codes=w, n_levels=int(w.max()) + 1, factor=2))
    if kind == "nested, crossed":
        coarse = _coarse(u, region, rng)
        terms.append(ReTerm(z=one, codes=coarse, n_levels=int(coarse.max()) + 1, factor=2))
    weights = rng.uniform(0.5, 2.0, n) if kind == "weights" else None
    return LmmData(y=y, X=both, terms=tuple(terms), weights=weights)


def _coarse(u: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Practices that patients lie in: four in every region."""
    own = np.zeros(u.max() + 1, dtype=np.int64)
    own[u] = region
    practice = own * 4 + rng.integers(0, 4, own.size)
    return np.unique(practice[u], return_inverse=True)[1]


KINDS = (
    "plain", "weights", "seen once", "slope first", "slope second", "three factors",
    "nested, crossed",
)  # fmt: skip


def criterion(data: LmmData) -> SeveralFactors:
    return SeveralFactors.from_data(data, reml=True, control=EXACT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_singular", [False, True])
def test_every_piece_is_that_of_the_dense_core(kind: str, is_singular: bool):
    objective = criterion(regions(kind))
    apart = objective.parts.apart
    assert apart is not None and len(apart.parts) > 1
    rng = np.random.default_rng(2)
    theta = objective.template.canonical(rng.normal(size=objective.template.k))
    if is_singular:
        theta[-1] = 0.0
    factors, blocks = objective.factors(theta), objective.blocks
    found, dense = ApartPass(apart, factors), ForwardPass.of(blocks, factors)
    assert found.logdet == pytest.approx(dense.logdet, rel=RTOL)
    assert blocks.core is not None
    steps = Reduced(
        levels=[rng.normal(size=(*level.A.shape[1:], 2)) for level in blocks.levels],
        core=rng.normal(size=(blocks.core.n2, 2)),
    )
    pairs = [
        (found.schur_of(blocks.total), dense.schur_of(blocks.total)),
        *zip(found.informations(), dense.informations(), strict=True),
        *zip(found.covariance_blocks(), dense.covariance_blocks(), strict=True),
        *zip(found.along(steps), dense.along(steps), strict=True),
        *zip(
            (*found.rest().levels, found.rest().core),
            (*dense.rest().levels, dense.rest().core),
            strict=True,
        ),
    ]
    for ours, other in pairs:
        assert ours == pytest.approx(other, abs=RTOL * np.abs(other).max())


@pytest.mark.parametrize("kind", ["plain", "slope second", "nested, crossed"])
def test_a_fit_is_that_of_the_dense_core(kind: str, monkeypatch: pytest.MonkeyPatch):
    data = regions(kind)
    apart = fit_lmm(data, control=EXACT)
    order = np.random.default_rng(1).permutation(data.n)
    moved = replace(
        data,
        y=data.y[order],
        X=ArrayRows(data.X.rows(0, data.n)[order]),
        terms=tuple(
            replace(t, z=ArrayRows(t.z.rows(0, data.n)[order]), codes=t.codes[order])
            for t in data.terms
        ),
    )
    shuffled = fit_lmm(moved, control=EXACT)
    monkeypatch.setattr(disconnected, "TOGETHER", 10**6)
    dense = fit_lmm(data, control=EXACT)
    for fit in (apart, shuffled):
        assert fit.criterion == pytest.approx(dense.criterion, rel=RTOL)
        # the search stops at steps of 1e-7 of theta's unit
        assert fit.theta == pytest.approx(dense.theta, abs=1e-6)
        for a, b in zip(fit.b, dense.b, strict=True):
            assert a == pytest.approx(b, abs=1e-5 * b.std())
    for a, b in zip(apart.cond_cov(), dense.cond_cov(), strict=True):
        assert a == pytest.approx(b, abs=1e-5 * np.abs(b).max())


def test_parts_hold_every_level_once():
    apart = criterion(regions("three factors")).parts.apart
    assert apart is not None and apart.whole.core is not None
    effects = np.concatenate([part.core for part in apart.parts])
    assert np.array_equal(np.sort(effects), np.arange(apart.whole.core.n2))
    levels = np.concatenate([part.levels[0] for part in apart.parts])
    assert np.array_equal(np.sort(levels), np.arange(apart.whole.levels[0].A.shape[2]))


def test_designs_that_hang_together_or_are_small_stay_whole(monkeypatch: pytest.MonkeyPatch):
    rng, n = np.random.default_rng(77), 4_000
    data = regions("plain", n)
    joined = replace(
        data, terms=(data.terms[0], replace(data.terms[1], codes=rng.integers(0, 331, n)))
    )
    assert criterion(joined).parts.apart is None
    monkeypatch.setattr(disconnected, "TOGETHER", 400)
    objective = criterion(data)
    assert objective.parts.apart is None
    assert Apart.of(objective.blocks) is None
