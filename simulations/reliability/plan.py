"""The rows, in the order of the plan; see the package for how to add one."""

from simulations.reliability.agreement import Agreement
from simulations.reliability.away import Away
from simulations.reliability.bits import Kernels, Retractions, Stops
from simulations.reliability.canaries import Canaries
from simulations.reliability.clocks import Clocks
from simulations.reliability.crashes import Crashes
from simulations.reliability.drift import RankOne
from simulations.reliability.folders import Folders
from simulations.reliability.forks import Forks
from simulations.reliability.fuzz import Calls
from simulations.reliability.injection import Metacharacters
from simulations.reliability.kills import Kills
from simulations.reliability.late import Late
from simulations.reliability.mutants import Mutants
from simulations.reliability.news import Spreading
from simulations.reliability.outage import Outage
from simulations.reliability.poison import Poison
from simulations.reliability.power import PowerCuts
from simulations.reliability.reopening import Reopening
from simulations.reliability.row import Row
from simulations.reliability.schemas import Schemas
from simulations.reliability.sharing import Fairness, Sharing
from simulations.reliability.soak import Soak
from simulations.reliability.spoils import Spools
from simulations.reliability.suite import Suite
from simulations.reliability.syscalls import Syscalls
from simulations.reliability.tenants import Tenants
from simulations.reliability.upgrades import Upgrades
from simulations.reliability.waiting import Waiting
from simulations.reliability.widths import Widths

PLAN: tuple[Row, ...] = (
    Kills(),
    PowerCuts(),
    Crashes(),
    Sharing(),
    Fairness(),
    Folders(),
    Spreading(),
    Outage(),
    Spools(),
    Away(),
    RankOne(),
    Kernels(),
    Stops(),
    Retractions(),
    Widths(),
    Agreement(),
    Calls(),
    Mutants(),
    Metacharacters(),
    Canaries(),
    Tenants(),
    Poison(),
    Schemas(),
    Forks(),
    Waiting(),
    Clocks(),
    Reopening(),
    Late(),
)
"""What every run measures, at the figures of the plan."""

NIGHTLY: tuple[Row, ...] = (
    Syscalls(),
    RankOne(steps=1_000_000, control_steps=100_000),
    Calls(calls=100_000),
    Mutants(mutants=200_000),
    Outage(downs=(10.0, 30.0)),
    Agreement(lives=10_000),
    Reopening(decisions=1_000_000, routers=1_000),
    Soak(),
    Upgrades(),
    Suite(),
)
"""What takes a night: under the id of a row of the plan its longer form, under another id a row of its own."""
