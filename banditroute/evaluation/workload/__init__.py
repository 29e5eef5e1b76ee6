"""Recorded workloads and their file formats."""
