"""The guard: how much a document may hold, and what an operation may cost, before it is executed.

It knows GraphQL and nothing of users. Everything it looks at, it looks at once.
"""

from guard.asked import asked_fields
from guard.cost import CostModel, ListSize, Price
from guard.counts import Counts, counts_of
from guard.limits import (
    Limits,
    excess,
    excesses_of_document,
    excesses_of_text,
    introspections,
    is_refusal,
    without_suggestions,
)

__all__ = [
    "CostModel",
    "Counts",
    "Limits",
    "ListSize",
    "Price",
    "asked_fields",
    "counts_of",
    "excess",
    "excesses_of_document",
    "excesses_of_text",
    "introspections",
    "is_refusal",
    "without_suggestions",
]
