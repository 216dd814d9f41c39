"""The functions and operators of formulas, evaluated on columns."""
