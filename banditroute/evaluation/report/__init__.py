"""Comparisons of policies, and their tables and plots."""
