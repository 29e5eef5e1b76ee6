"""Baselines and intervals, as pure functions of outcomes."""
