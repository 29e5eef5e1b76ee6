"""Replay of a workload through the router under an injected clock."""
