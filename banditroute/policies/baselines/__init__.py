"""Policies that do not learn: baselines of a router."""
