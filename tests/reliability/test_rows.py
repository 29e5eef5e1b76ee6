"""Every row of the reliability study holds, and its control is caught, at a scale that fits into every run."""

from pathlib import Path

import pytest

from banditroute.core.runtime.faults import FaultBarrier
from simulations.reliability.harness.row import Row
from simulations.reliability.harness.table import in_words
from simulations.reliability.plan import NIGHTLY, PLAN
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
from tests.server import NotHere

ENDLESS = float("inf")

SMALL: tuple[Row, ...] = (
    Kills(kills=20),
    # So few images are sure to show that something is lost, not how often.
    PowerCuts(cuts=6, least_losing=0.1, least_corrupt=0.1),
    Crashes(kills=8, crashes=2, workers=3),
    # Busy machines are slow: here only what is counted is asked for.
    Sharing(processes=(3,), seconds=1.0, longest_ms=ENDLESS, least_times=0.0, least_overtaken=0),
    Fairness(processes=2, seconds=1.0, longest_s=ENDLESS, least_share=0.0, must_starve=False),
    Folders(kills=2, longest_s=ENDLESS, control_rows=40),
    Spreading(rounds=1, longest_s=ENDLESS, control_s=0.1),
    Outage(downs=(0.5,), processes=2, rate=50.0, around=0.3, control_down=4.0),
    Spools(records=1),
    Away(requests=5, longest_s=ENDLESS, longest_receipt_s=ENDLESS),
    RankOne(steps=1_000, control_steps=8_000, discount=0.99, control_dimension=6),
    Kernels(rows=500, kernels=("Nehalem", "Haswell"), threads=(1, 2)),
    Stops(steps=400, stops=10),
    Retractions(rows=4_000, retracted=2_000),
    Widths(trials=3_000, draws=20_000, situations=4, tolerance=0.03),
    Agreement(lives=4, steps=20, control_lives=10, mutants=("amendments", "other workers")),
    Calls(calls=1_500, control_calls=400),
    Mutants(mutants=2_000, longest_ms=ENDLESS),
    Metacharacters(strings=12),
    Canaries(),
    Tenants(tries=300, most_ratio=ENDLESS),
    Poison(steps=300, every=15, worlds=2),
    Schemas(steps=20),
    Forks(forks=2, requests=5, threads=8, each=10, tasks=40, control_forks=3),
    Waiting(requests=20, longest_ms=ENDLESS, least_blocked_ms=0.0),
    Clocks(steps=150),
    Reopening(decisions=1_500, routers=1, arms=3, longest_s=ENDLESS, least_rate=0.0, must_be_slow=False),
    Late(decisions=200),
    IdsWhileAway(rounds=1),
    ReplacedFiles(requests=10),
    InnocentRecords(requests=10),
    Skews(),
    Pooled(requests=20),
    Closed(forks=2),
    Rolling(requests=10),
)

SMALL_OF_THE_NIGHT: tuple[Row, ...] = (
    Syscalls(
        kills=16,
        activities=("migrate", "replay"),
        control_syncs=16,
        control_activities=("spool",),
        must_lose=frozenset({"spool"}),
    ),
    Soak(
        rate=100.0,
        seconds=3.0,
        warm=0.5,
        every=0.5,
        control_seconds=4.0,
        most_growth=ENDLESS,
        most_changes=ENDLESS,
        longest_lag=ENDLESS,
        most_bytes=ENDLESS,
        must_leak=False,
    ),
    Upgrades(kills=4, seconds=2.0, workers=1, rate=20.0, hold=0.0, control_kills=2, control_seconds=4.0),
    Suite(
        parts={"codec": ("banditroute/learning/sums/codec.py",), "URLs": ("banditroute/store/databases/url.py",)},
        tests=("tests/learning/sums/test_codec.py", "tests/store/databases/test_url.py"),
        faults=8,
        again=4,
        unchanged=1,
        # So few faults are sure to show that some are noticed, not how many.
        least_branches=0.6,
        least_noticed=0.1,
        control_tests="tests/store/databases/test_url.py::test_what_is_taken",
        must_miss=False,
        processes=1,
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("row", SMALL + SMALL_OF_THE_NIGHT, ids=lambda row: row.id)
def test_the_row_holds_and_its_control_is_caught(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is held back is counted by the rows themselves.
    monkeypatch.setattr(FaultBarrier, "faults_escape", False)
    try:
        finding = row.measure(tmp_path, lambda *_: None)
    except NotHere as missing:
        pytest.skip(str(missing))
    assert finding.holds, in_words(finding.measured)
    assert finding.caught, in_words(finding.control)


def test_every_row_has_a_small_form() -> None:
    assert [row.id for row in SMALL] == [row.id for row in PLAN]
    by_night = [row.id for row in NIGHTLY if row.id not in {row.id for row in PLAN}]
    assert [row.id for row in SMALL_OF_THE_NIGHT] == by_night


def test_the_plan_names_each_row_once() -> None:
    for rows in (PLAN, NIGHTLY):
        assert len({row.id for row in rows}) == len(rows)
