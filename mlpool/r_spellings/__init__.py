"""R's names that are something else here, and the sentence that each gets."""

from mlpool.r_spellings.lookup import absent, missing_name, r_spelling, sections, spellings

__all__ = ["absent", "missing_name", "r_spelling", "sections", "spellings"]
