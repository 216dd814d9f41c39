"""What users write as vcov= and cluster=."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpool.errors import OptionError
from mlpool.inference.sandwich.vcov_names import VcovSpec


@pytest.mark.parametrize(
    ("vcov", "cluster", "kind", "type_", "clusters"),
    [
        (None, None, "model", "", ()),
        ("model", None, "model", "", ()),
        (None, "school", "cl", "HC1", ("school",)),
        ("vcovCL", "school", "cl", "HC1", ("school",)),
        ("HC3", None, "hc", "HC3", ()),
        ("vcovHC", None, "hc", "HC3", ()),
        ("HC3", "school", "cl", "HC3", ("school",)),
        ("CR2", "~ school", "cr", "CR2", ("school",)),
        ("HC1", "~ school + year", "cl", "HC1", ("school", "year")),
        ("HC1", ["school", "year"], "cl", "HC1", ("school", "year")),
    ],
)
def test_reads(vcov: object, cluster: object, kind: str, type_: str, clusters: tuple) -> None:
    spec = VcovSpec.from_user_input(vcov, cluster)
    assert (spec.kind, spec.type, spec.cluster) == (kind, type_, clusters)
    assert spec.is_model_based == (kind == "model")
    assert VcovSpec.from_user_input(spec) is spec


def test_arrays_are_one_or_several_clusters() -> None:
    codes = np.array([0, 0, 1])
    assert VcovSpec.from_user_input(None, codes).cluster[0] is codes
    assert len(VcovSpec.from_user_input(None, pd.Series(codes)).cluster) == 1
    assert len(VcovSpec.from_user_input("HC0", [codes, codes]).cluster) == 2
    (one,) = VcovSpec.from_user_input(None, [0, 0, 1]).cluster
    np.testing.assert_array_equal(one, codes)


def test_matrix() -> None:
    spec = VcovSpec.from_user_input(pd.DataFrame(np.eye(2)))
    assert spec.kind == "matrix"
    np.testing.assert_array_equal(spec.matrix, np.eye(2))


@pytest.mark.parametrize(
    ("vcov", "cluster", "message"),
    [
        ("HC9", None, "vcov must be one of"),
        ("vcovcl", "school", "Did you mean 'vcovCL'"),
        ("CR2", None, "say by which column, as in cluster='school'"),
        ("vcovCL", None, "is cluster-robust"),
        ("HC4", "school", "does not know clusters"),
        ("CR2", ["a", "b"], "takes one cluster variable"),
        ("model", "school", "takes no cluster"),
        (None, "~", "names no column"),
        (None, [], "empty list"),
        (None, 3, "cluster must be a column name"),
        (object(), None, "or a matrix of numbers; got an object"),
        (np.ones((2, 3)), None, "must be square"),
    ],
)
def test_refuses(vcov: object, cluster: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        VcovSpec.from_user_input(vcov, cluster)
