"""Comparisons as tables and plots."""
