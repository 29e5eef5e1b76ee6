"""Recorded workloads, and the file formats that they are read from."""
