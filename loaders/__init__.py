"""Batch functions: many keys, one read; one fresh set per request."""
