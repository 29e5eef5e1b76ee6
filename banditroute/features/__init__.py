"""Feature vectors and their checks."""
