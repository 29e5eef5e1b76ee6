"""Policies that do not learn; they serve as baselines."""
