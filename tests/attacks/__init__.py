"""Attacks, and what they must come to."""
