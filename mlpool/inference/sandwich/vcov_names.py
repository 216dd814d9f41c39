"""What a user wrote as ``vcov=`` and ``cluster=``, read once into a typed record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.inference.sandwich.heteroscedastic import CL_TYPES, CR_TYPES, HC_TYPES
from mlpool.typing import FloatArray

VcovKind = Literal["model", "matrix", "hc", "cl", "cr"]

_ALL_TYPES = ("vcovCL", "vcovHC", *HC_TYPES, *CR_TYPES)
#: Below this many clusters, cluster-robust standard errors earn a warning.
FEW_CLUSTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VcovSpec:
    """A covariance that was asked for.

    Attributes
    ----------
    kind : {"model", "matrix", "hc", "cl", "cr"}
        The model's own, a given matrix, ``sandwich::vcovHC``, ``sandwich::vcovCL`` or
        ``clubSandwich::vcovCR``.
    type : str
        What :func:`mlpool.inference.sandwich.heteroscedastic.robust_vcov` takes; ``""`` for model
        and matrix.
    label : str
        What the user wrote (``"vcovCL"``), for printing; ``""`` for the model's own.
    cluster : tuple
        Column names or arrays, one per cluster variable; not yet looked up in the data.
    matrix : ndarray of shape (p, p) or None
    fix : bool
        Set negative eigenvalues to zero (sandwich's ``fix``).
    """

    kind: VcovKind
    type: str = ""
    label: str = ""
    cluster: tuple[object, ...] = ()
    matrix: FloatArray | None = None
    fix: bool = False

    @property
    def is_model_based(self) -> bool:
        """Whether nothing but the model's own covariance was asked for."""
        return self.kind == "model"

    @classmethod
    def from_user_input(cls, vcov: object = None, cluster: object = None) -> VcovSpec:
        """Read ``vcov=`` and ``cluster=``.

        Parameters
        ----------
        vcov : None, str, VcovSpec or matrix
            ``"HC0"``..``"HC5"``, ``"HC4m"``, ``"vcovHC"`` (= HC3), ``"vcovCL"`` (= HC1, needs a
            cluster), ``"CR0"``..``"CR3"``, ``"CR1p"``, ``"CR1S"`` (need a cluster), or a
            covariance matrix. None with a cluster is ``"vcovCL"``.
        cluster : None, str, array or list of these
            A column name, ``"~ a + b"``, an array with one entry per row, or a list of names or
            arrays for multi-way clustering.

        Raises
        ------
        OptionError
            If a type is unknown, or type and cluster do not go together.

        Examples
        --------
        >>> VcovSpec.from_user_input("CR2", "school").kind
        'cr'
        """
        if isinstance(vcov, VcovSpec):
            return vcov
        clusters = _read_cluster(cluster)
        if vcov is None:
            vcov = "vcovCL" if clusters else "model"
        if not isinstance(vcov, str):
            return cls(kind="matrix", label="matrix", matrix=_read_matrix(vcov))
        if vcov in ("model", "const"):
            if clusters:
                raise OptionError(
                    f"vcov={brief(vcov)} is the model's own covariance and takes no cluster."
                )
            return cls(kind="model")
        return _read_type(vcov, clusters)


def _read_type(vcov: str, clusters: tuple[object, ...]) -> VcovSpec:
    if vcov not in _ALL_TYPES:
        raise OptionError(
            f"vcov must be one of {_ALL_TYPES}, or a matrix; got {brief(vcov)}."
            + nearest_names(vcov, _ALL_TYPES)
        )
    if vcov in CR_TYPES and len(clusters) > 1:
        raise OptionError(
            f"vcov={brief(vcov)} takes one cluster variable; for several use 'HC0', 'HC1', "
            "'HC2' or "
            "'HC3'."
        )
    if vcov in ("vcovCL", *CR_TYPES):
        if not clusters:
            raise OptionError(
                f"vcov={brief(vcov)} is cluster-robust: say by which column, as in "
                "cluster='school'."
            )
        kind: VcovKind = "cl" if vcov == "vcovCL" else "cr"
        return VcovSpec(
            kind=kind, type="HC1" if kind == "cl" else vcov, label=vcov, cluster=clusters
        )
    type_ = "HC3" if vcov == "vcovHC" else vcov
    if not clusters:
        return VcovSpec(kind="hc", type=type_, label=vcov)
    if vcov not in CL_TYPES:
        raise OptionError(
            f"vcov={brief(vcov)} does not know clusters; with cluster= use one of "
            f"{('vcovCL', *CL_TYPES, *CR_TYPES)}."
        )
    return VcovSpec(kind="cl", type=type_, label=vcov, cluster=clusters)


def _read_cluster(cluster: object) -> tuple[object, ...]:
    if cluster is None:
        return ()
    if isinstance(cluster, str):
        if not cluster.lstrip().startswith("~"):
            return (cluster,)
        names = tuple(part.strip() for part in cluster.lstrip().lstrip("~").split("+"))
        if not all(names):
            raise OptionError(f"cluster={brief(cluster)} names no column; write '~ school'.")
        return names
    if isinstance(cluster, list | tuple):
        if not cluster:
            raise OptionError("cluster= is an empty list; name at least one column.")
        several = all(isinstance(c, str) for c in cluster) or all(
            np.ndim(c) == 1 and not isinstance(c, str) for c in cluster
        )
        return tuple(cluster) if several else (np.asarray(cluster),)
    if isinstance(cluster, bool | int | float) or not hasattr(cluster, "__len__"):
        raise OptionError(
            f"cluster must be a column name, an array or a list of these; got {brief(cluster)}."
        )
    return (cluster,)


def _read_matrix(vcov: object) -> FloatArray:
    try:
        matrix = np.asarray(vcov, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(
            f"vcov must be one of {_ALL_TYPES}, or a matrix of numbers; got {brief(vcov)}."
        ) from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise OptionError(f"vcov as a matrix must be square; this one has shape {matrix.shape}.")
    return matrix
