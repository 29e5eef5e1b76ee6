"""Stopped in the middle, everything goes on bit for bit."""

import json
from functools import partial
from pathlib import Path

from banditroute.controllers import Controller, Holdout, Latency, PerCohort, QualityFloor, Shares
from simulations.markdown import table
from simulations.targets.cohorts import cohort_target, cohorts_of, target
from simulations.targets.floors import quality_floor
from simulations.targets.indicators import latency_target
from simulations.targets.measures import CONFIG, LATENCY, QUALITY
from simulations.targets.modes import a_holdout, an_apprentice
from simulations.targets.world import Life, MakeControllers, live, workload


def everything() -> list[Controller]:
    """All of them around one another."""
    case, held = CONFIG["latency"][0], CONFIG["holdout"]
    return [
        Holdout(held["share"], incumbent=held["incumbent"]),
        Shares(min={"gpt-4o-2024-05-13": 0.1}, max={"claude-3-haiku-20240307": 0.3}),
        PerCohort(target),
        Latency(p=case["p"], seconds=3.0, name="latency of all"),
        QualityFloor("gpt-4o-mini-2024-07-18", at_least=0.8),
    ]


def restarts(directory: Path) -> list[str]:
    """Stopped in the middle, everything goes on bit for bit."""
    recorded = workload(directory, "bfcl_prompt25")
    makes: dict[str, MakeControllers] = {
        "Latency": partial(latency_target, CONFIG["latency"][0]),
        "Shares": lambda: [Shares(min={"gpt-4o-2024-05-13": 0.1}, max={"claude-3-haiku-20240307": 0.3})],
        "PerCohort": partial(cohort_target, True),
        "QualityFloor": partial(quality_floor, CONFIG["floor"][0]),
        "Holdout": partial(a_holdout, CONFIG["holdout"]),
        "Apprentice": partial(an_apprentice, CONFIG["apprentice"]["share"], CONFIG["apprentice"]["incumbents"][0]),
        "all but the last, composed": everything,
    }
    rows = []
    for name, make in makes.items():
        lives = [
            live(recorded, 7, make, [QUALITY, LATENCY], delay=20, cohorts=cohorts_of(directory), restart_at=stop)
            for stop in (None, len(recorded) // 2)
        ]
        same = (
            (lives[0].chosen == lives[1].chosen).all()
            and lives[0].probabilities.tobytes() == lives[1].probabilities.tobytes()
            and _states(lives[0]) == _states(lives[1])
            and lives[0].digest == lives[1].digest
        )
        rows.append([name, "the same bits" if same else "NOT THE SAME"])
    return [
        "## Restart in the middle",
        "",
        "Closed after half of the requests and opened again on the same SQLite file, with fresh controllers:",
        "choices, probabilities, states of controllers and what was learned, against a run never stopped.",
        *table(["controllers", "from then on"], rows),
    ]


def _states(life: Life) -> str:
    return json.dumps([controller.state() for controller in life.controllers], sort_keys=True)
