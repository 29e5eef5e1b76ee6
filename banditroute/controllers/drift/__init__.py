"""Drift detection: a controller and its detectors."""
