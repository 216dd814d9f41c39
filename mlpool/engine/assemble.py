"""Choose and build the objective: a nested chain, or crossed factors with one dense block."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np

from mlpool.engine.chain import ChainObjective, Level
from mlpool.engine.crossed import CrossedObjective, Trailing, check_dense_size
from mlpool.engine.crosspairs import CrossBlock, SparseRows, cross_sums
from mlpool.engine.problem import FactorSpec, Problem, read_rows
from mlpool.engine.profile import Profile
from mlpool.engine.types import Control, LmmData
from mlpool.typing import FloatArray, IntArray


class Objective(Protocol):
    """What the optimiser and the assembly of a fit need."""

    def evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return deviance and gradient in internal units."""

    def finish(
        self, theta: FloatArray
    ) -> tuple[Profile, float, list[FloatArray], list[FloatArray]]:
        """Return the profile, log|L|^2, modes and conditional covariances per factor."""


def build_objective(problem: Problem, data: LmmData, *, reml: bool, control: Control) -> Objective:
    """Return the objective of a model.

    Raises
    ------
    FitError
        If crossed factors need a dense block beyond ``control.max_dense_bytes``.
    """
    if problem.is_chain:
        return _chain(problem, reml)
    return _crossed(problem, data, reml, control)


def _chain(problem: Problem, reml: bool) -> ChainObjective:
    levels = []
    for i, (factor, group) in enumerate(zip(problem.factors, problem.sums.groups, strict=True)):
        levels.append(
            Level(
                A=group.A,
                D=group.D,
                template=factor.template,
                ancestors=problem.ancestors[i],
                widths=tuple(f.template.q for f in problem.factors[i + 1 :]),
            )
        )
    return ChainObjective(tuple(levels), problem.sums.total, problem.n, reml=reml, k=problem.k)


def _crossed(problem: Problem, data: LmmData, reml: bool, control: Control) -> CrossedObjective:
    leading, *others = problem.factors
    trailing, at = [], 0
    for factor in others:
        trailing.append(Trailing(template=factor.template, start=at, n_levels=factor.n_levels))
        at += factor.n_levels * factor.template.q
    check_dense_size(
        at,
        control.max_dense_bytes,
        " + ".join(f"{t.n_levels:,} x {t.template.q}" for t in trailing),
    )
    codes = [data.terms[f.terms[0]].codes for f in problem.factors]
    lead_blocks = []
    for i, (factor, place) in enumerate(zip(others, trailing, strict=True), start=1):
        block = _cross(problem, data, leading, factor, codes[0], codes[i], control)
        lead_blocks.append((block, place))
    group = problem.sums.groups[0]
    return CrossedObjective(
        group.A,
        group.D,
        leading.template,
        _join_rows(lead_blocks, leading.n_levels),
        tuple(trailing),
        _trailing_products(problem, data, tuple(trailing), codes, at, control),
        np.concatenate(
            [g.D.transpose(1, 0, 2).reshape(-1, g.D.shape[2]) for g in problem.sums.groups[1:]]
        ),
        problem.sums.total,
        problem.n,
        reml=reml,
        k=problem.k,
    )


def _cross(  # noqa: PLR0913 - one argument per symbol of the formula
    problem: Problem,
    data: LmmData,
    f: FactorSpec,
    g: FactorSpec,
    codes_f: IntArray,
    codes_g: IntArray,
    control: Control,
) -> CrossBlock:
    read = partial(_read_pair, data, problem, f.z, g.z)
    return cross_sums(codes_f, codes_g, g.n_levels, read, data.weights, control.batch_rows)


def _read_pair(  # noqa: PLR0913 - one argument per symbol of the formula
    data: LmmData, problem: Problem, f: slice, g: slice, start: int, stop: int
) -> tuple[FloatArray, FloatArray]:
    Z, _ = read_rows(data, problem.factors, problem.standard, start, stop)
    return Z[:, f], Z[:, g]


def _join_rows(blocks: list[tuple[CrossBlock, Trailing]], J: int) -> SparseRows:
    """Lay the leading factor's cross-blocks side by side, sorted by row and column."""
    rows, cols, data = [], [], []
    for block, place in blocks:
        for b in range(block.values.shape[2]):
            rows.append(block.rows)
            cols.append(place.start + block.cols * place.template.q + b)
            data.append(block.values[:, :, b])
    row, col, values = np.concatenate(rows), np.concatenate(cols), np.concatenate(data)
    order = np.lexsort((col, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=J))])
    return SparseRows(indptr=indptr, cols=col[order], data=np.ascontiguousarray(values[order]))


def _trailing_products(  # noqa: PLR0913 - one argument per symbol of the formula
    problem: Problem,
    data: LmmData,
    trailing: tuple[Trailing, ...],
    codes: list[IntArray],
    n2: int,
    control: Control,
) -> FloatArray:
    """Return Z_2'Z_2 (n2, n2) of the dense block."""
    A22 = np.zeros((n2, n2), order="F")
    for i, place in enumerate(trailing, start=1):
        q = place.template.q
        base = place.start + np.arange(place.n_levels) * q
        for a in range(q):
            for b in range(q):
                A22[base + a, base + b] = problem.sums.groups[i].A[a, b]
        for j in range(i + 1, len(trailing) + 1):
            other = trailing[j - 1]
            block = _cross(
                problem, data, problem.factors[i], problem.factors[j], codes[i], codes[j], control
            )
            for a in range(q):
                for b in range(other.template.q):
                    r = place.start + block.rows * q + a
                    c = other.start + block.cols * other.template.q + b
                    A22[r, c] = A22[c, r] = block.values[:, a, b]
    return A22
