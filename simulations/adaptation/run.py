"""The study of adaptation: sessions, health, drift, new arms; writes ``RESULTS.md``, see ``README.md``."""

import argparse
import textwrap
import tomllib
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from banditroute.controllers import Drift
from banditroute.evaluation import Workload
from banditroute.evaluation.metrics.interval import Interval
from simulations.adaptation.alarms import alarms_of
from simulations.adaptation.conversations import Bill, serve, turns
from simulations.adaptation.degraded import Phases, degraded
from simulations.adaptation.newcomers import arrival
from simulations.adaptation.outages import outage
from simulations.markdown import signed, table

HERE = Path(__file__).parent
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text("utf-8"))
WAYS = {"session": "Session", "always": "always switch", "never": "never switch"}


def prose(text: str) -> list[str]:
    """A paragraph, in lines."""
    return ["", *textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)]


def count(value: float) -> str:
    """A number of requests."""
    return "never" if np.isinf(value) else f"{value:,.0f}"


def conversations(directory: Path) -> list[str]:
    """Mooncake's sessions."""
    world = CONFIG["conversations"]
    trace = turns(directory, world["requests"])
    seeds = range(world["seeds"])
    bills: dict[str, list[Bill]] = {way: [serve(trace, world, way, seed) for seed in seeds] for way in WAYS}

    def mean(way: str, name: str) -> float:
        return float(np.mean([getattr(bill, name) for bill in bills[way]]))

    rows = [
        [
            WAYS[way],
            f"{mean(way, 'score_cost'):.4f}",
            f"{mean(way, 'quality'):.4f}",
            f"{1e3 * mean(way, 'usd'):.3f}",
            f"{1e3 * mean(way, 'rebilled_usd'):.3f}",
            f"{mean(way, 'switches'):.1%}",
            f"{mean(way, 'held'):.1%}",
        ]
        for way in WAYS
    ]
    cost = {way: np.array([bill.score_cost for bill in bills[way]]) for way in WAYS}
    sessions = len({turn.session for turn in trace})
    head = ["way", "total cost", "quality", "USD / 1,000", "of it billed again", "requests that switch", "held"]
    return [
        "## Sessions",
        *prose(
            f"{len(trace):,} requests of the trace `mooncake_conversation` in {sessions:,} sessions, with "
            "its arrival times, prompt lengths and prefix reuse; two models of our own making. Total cost"
            f" of a request is (1 − quality) + {world['cost_weight']} × dollars / 0.05, billed as the "
            f"models' caches really were. {world['seeds']} seeds."
        ),
        *table(head, rows),
        *(
            f"Session − {WAYS[way]}: {signed(Interval.of(cost['session'] - cost[way]))} (paired, 95 %)."
            for way in ("always", "never")
        ),
        "",
    ]


def outages() -> list[str]:
    """Down for a while."""
    settings = CONFIG["outages"]
    rows = []
    for length in settings["lengths"]:
        found = {
            ping: [outage(length, seed, ping_every=ping) for seed in range(settings["seeds"])]
            for ping in (None, settings["ping_every"])
        }
        without = [outage(length, seed, ping_every=None, breaker=False) for seed in range(settings["seeds"])]
        rows.append(
            [
                length,
                f"{np.mean([each.failed for each in without]):.0f}",
                *(
                    cell
                    for each in found.values()
                    for cell in (max(o.failed for o in each), count(max(o.back for o in each)))
                ),
            ]
        )
    return [
        "## Outages",
        *prose(
            "The most used arm is down; a request a second; default settings; the worst of "
            f"{settings['seeds']} seeds. With pings the application asks an arm whose circuit is open "
            f"every {settings['ping_every']} requests. To be back within 20 requests of any recovery, one "
            "request in 20 must try the arm: of an outage of 200 that is 10 failed calls, whoever makes "
            "them. So users' requests alone cannot give both 5 failures and 20 requests."
        ),
        *table(
            [
                "down for",
                "failed, no breaker",
                "failed, users only",
                "back after",
                "failed, with pings",
                "back after",
            ],
            rows,
        ),
    ]


def drift() -> list[str]:
    """False alarms and delays."""
    settings = CONFIG["drift"]
    rows = []
    for kind in ("judge", "pass/fail"):
        calm = [alarms_of(kind, settings["requests"], seed) for seed in range(settings["seeds"])]
        arms = range(len(Workload.bundled().arms))
        found = [
            alarms_of(kind, settings["drop_requests"], seed, drop_of=arm, drop=settings["drop"]).delay
            for arm in arms
            for seed in range(settings["drop_seeds"])
        ]
        plays = sum(each.plays for each in calm)
        alarms = sum(each.alarms for each in calm)
        rows.append(
            [
                kind,
                alarms,
                f"{plays:,}",
                f"{1e4 * alarms / plays:.2f}",
                count(median(found)),
                count(float(np.quantile(found, 0.9, method="higher"))),
                f"{sum(np.isinf(found))} of {len(found)}",
            ]
        )
    head = ["quality", "false alarms", "plays", "per 10,000 plays", "median delay", "90 %", "not found"]
    return [
        "## Drift: alarms",
        *prose(
            "The bundled workload in random order, routed uniformly; quality as the judge gave it, or "
            "right or wrong with that chance; cost is watched too. One arm's quality drops by "
            f"{settings['drop']} after {settings['drop_requests'] // 2:,} requests; delays are plays of "
            "that arm."
        ),
        *table(head, rows),
    ]


def silent() -> list[str]:
    """Worse in the middle third."""
    settings = CONFIG["degraded"]
    rows = []
    for name in ("without", "with Drift"):
        found = [
            degraded(
                seed,
                drift=Drift() if name == "with Drift" else None,
                cost_weight=settings["cost_weight"],
                level=settings["level"],
            )
            for seed in range(settings["seeds"])
        ]

        def phase(kind: str, found: list[Phases] = found) -> str:
            means = [np.mean([p.mean(getattr(p, kind), i) for p in found]) for i in range(3)]
            return " · ".join(f"{mean:.3f}" for mean in means)

        ratios = [p.mean(p.quality, 2) / p.mean(p.quality, 0) for p in found]
        left, back = [p.left_after() for p in found], [p.back_after() for p in found]
        alarm = [next((t - 1203 for t in p.alarms if t >= 1203), np.inf) for p in found]
        rows.append(
            [
                name,
                phase("quality"),
                phase("chosen"),
                f"{np.mean(ratios):.3f} ({min(ratios):.3f})",
                count(median(alarm)),
                count(median(left)),
                count(median(back)),
            ]
        )
    head = ["", "quality", "share of the arm", "recovered", "first alarm", "left after", "back after"]
    return [
        "## Drift: an arm that is silently worse for a while",
        *prose(
            f"The bundled workload (3,609 requests); `mistral-large` has mean quality {settings['level']} "
            f"in the middle third. LinUCB with cost weight {settings['cost_weight']}; {settings['seeds']} "
            "seeds. Quality and shares are of the second half of each third; recovered is the third one's"
            " over the first one's (and the least of all seeds). The rest are medians in requests: until "
            "the first alarm after the drop, until the arm's share of 100 was halved, and after its "
            "recovery until half of the share it had was back."
        ),
        *table(head, rows),
    ]


def newcomers(directory: Path) -> list[str]:
    """A fourth model."""
    settings = CONFIG["newcomer"]
    rows = []
    for scale in (1.0, 0.75):
        found = [
            arrival(
                directory,
                "gemini-2.5-flash",
                seed,
                scale=scale,
                requests=settings["requests"],
                cost_weight=settings["cost_weight"],
            )
            for seed in range(settings["seeds"])
        ]
        within = sum(each.adopted <= 150 for each in found)
        rows.append(
            [
                scale,
                f"{within} of {len(found)}",
                f"{np.mean([each.pulls for each in found]):.0f}",
                f"{max(each.pulls for each in found):.0f}",
                f"{sum(each.ruled_out for each in found)} of {len(found)}",
            ]
        )
    head = ["quality ×", "10 % of 50 within 150", "mean pulls in 800", "at most", "ruled out"]
    return [
        "## A new arm",
        *prose(
            "`gemini-2.5-flash` joins the three others of `paretobandit4` after 400 requests: as "
            "recorded, which is about as good as the best of them at this weight of cost, and with its "
            f"quality scaled down. Pulls are those beyond its share of the floor. {settings['seeds']} "
            "seeds. (Burn-in alone reaches 10 % of 50 requests.)"
        ),
        *table(head, rows),
    ]


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="directory of the recorded workloads and traces")
    data: Path | None = parser.parse_args().data
    lines = [
        "# What adapts: sessions, outages, drift, new arms",
        "",
        "Written by `python -m simulations.adaptation.run`.",
    ]
    lines += [""] + (conversations(data) if data is not None else [])
    lines += outages() + drift() + silent()
    if data is not None:
        lines += newcomers(data)
    (HERE / "RESULTS.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
