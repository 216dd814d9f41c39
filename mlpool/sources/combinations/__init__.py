"""Models fitted to the distinct combinations of their variables, counted where the rows lie."""

from mlpool.sources.combinations.design import CombinedDesign, build_combined_design

__all__ = ["CombinedDesign", "build_combined_design"]
