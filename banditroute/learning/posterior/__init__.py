"""Ridge posteriors: a floating-point cache, computed from the exact sums and never stored."""
