"""Baselines and intervals: pure functions over outcomes."""
