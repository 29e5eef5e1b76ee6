"""The rows, in the order of the plan; see the package for how to add one."""

from simulations.reliability.harness.row import Row
from simulations.reliability.rows.agreement import Agreement
from simulations.reliability.rows.away import Away
from simulations.reliability.rows.bits import Kernels, Retractions, Stops
from simulations.reliability.rows.canaries import Canaries
from simulations.reliability.rows.clocks import Clocks
from simulations.reliability.rows.closed import Closed
from simulations.reliability.rows.crashes import Crashes
from simulations.reliability.rows.drift import RankOne
from simulations.reliability.rows.folders import Folders
from simulations.reliability.rows.forks import Forks
from simulations.reliability.rows.fuzz import Calls
from simulations.reliability.rows.identity import IdsWhileAway
from simulations.reliability.rows.injection import Metacharacters
from simulations.reliability.rows.kills import Kills
from simulations.reliability.rows.late import Late
from simulations.reliability.rows.mutants import Mutants
from simulations.reliability.rows.news import Spreading
from simulations.reliability.rows.outage import Outage
from simulations.reliability.rows.poison import Poison
from simulations.reliability.rows.pooled import Pooled
from simulations.reliability.rows.power import PowerCuts
from simulations.reliability.rows.reopening import Reopening
from simulations.reliability.rows.replaced import InnocentRecords, ReplacedFiles
from simulations.reliability.rows.rolling import Rolling
from simulations.reliability.rows.schemas import Schemas
from simulations.reliability.rows.sharing import Fairness, Sharing
from simulations.reliability.rows.skews import Skews
from simulations.reliability.rows.soak import Soak
from simulations.reliability.rows.spoils import Spools
from simulations.reliability.rows.suite import Suite
from simulations.reliability.rows.syscalls import Syscalls
from simulations.reliability.rows.tenants import Tenants
from simulations.reliability.rows.upgrades import Upgrades
from simulations.reliability.rows.waiting import Waiting
from simulations.reliability.rows.widths import Widths

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
    IdsWhileAway(),
    ReplacedFiles(),
    InnocentRecords(),
    Skews(),
    Pooled(),
    Closed(),
    Rolling(),
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
