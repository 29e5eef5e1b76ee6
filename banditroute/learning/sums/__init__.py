"""Exact integer sums: the learned state, its encoding, and the weights with which it is read."""
