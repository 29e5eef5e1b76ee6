"""The rows, in the order of the plan; see the package for how to add one."""

from simulations.reliability.kills import Kills
from simulations.reliability.row import Row

PLAN: tuple[Row, ...] = (Kills(),)
"""What every run measures, at the figures of the plan."""

NIGHTLY: tuple[Row, ...] = ()
"""What takes a night: under the id of a row of the plan the longer form of it, under another id a row of its own."""
