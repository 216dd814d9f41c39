"""What an engine's rows are called in annotations, whichever engine holds them."""

from __future__ import annotations

from typing import Any, TypeAlias

import narwhals as nw

LazyRows: TypeAlias = nw.LazyFrame[Any]
"""Rows that are asked by queries; what is inside is each engine's own."""
Answer: TypeAlias = nw.DataFrame[Any]
"""The answer of a query."""
Native: TypeAlias = Any
"""An object of an engine, of which mlpool knows no type: a relation, a connection, a frame."""
KeyValue: TypeAlias = Any
"""One value of a column that is a key: a number, text, a date."""
