"""Policies that choose by one linear model per arm."""
