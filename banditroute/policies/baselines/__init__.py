"""Policies that do not learn: what a router has to beat."""
