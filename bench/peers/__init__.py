"""Servers of other stacks for the same data and the same part of the schema."""
