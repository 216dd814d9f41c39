"""R's names that are something else here, unknown keywords, and the sentence that each gets."""

from mlpool.r_spellings.lookup import absent, missing_name, r_spelling, sections, spellings
from mlpool.r_spellings.unknown_keywords import answering, answering_methods

__all__ = [
    "absent",
    "answering",
    "answering_methods",
    "missing_name",
    "r_spelling",
    "sections",
    "spellings",
]
