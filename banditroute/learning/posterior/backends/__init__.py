"""Backends that hold the inverses of many arms; the numbers of arms and features determine the backend."""
