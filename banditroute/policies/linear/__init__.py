"""Policies over a linear model per arm."""
