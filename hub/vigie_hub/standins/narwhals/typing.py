"""Names of LightGBM's annotations."""

from typing import Any, TypeAlias

IntoDataFrame: TypeAlias = Any
IntoSeries: TypeAlias = Any
