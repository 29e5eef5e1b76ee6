"""Backends that hold the inverses of many arms; chosen by the number of arms and features."""
