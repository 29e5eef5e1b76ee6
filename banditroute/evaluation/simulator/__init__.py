"""Replays a workload through the router under an injected clock."""
