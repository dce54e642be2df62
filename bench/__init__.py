"""Measurements of the running server, by hand; no test depends on a clock."""
