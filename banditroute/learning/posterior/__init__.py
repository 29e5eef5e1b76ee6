"""Ridge posteriors: a cache in floating point, computed from the exact sums and never stored."""
