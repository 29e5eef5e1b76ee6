"""Recorded workloads, and readers for their file formats."""
