"""Runs every example and the code of the README, and checks what they print."""

import itertools
import random
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from banditroute.core import ids as decision_ids

ROOT = Path(__file__).parent.parent

ESSENTIAL = {
    "hello_world": ["hard requests go to large", "easy requests go to small", "large was chosen with probability"],
    "delayed_feedback": ["bit for bit the same: True", "delivers it again: duplicate", "a fallback served: True"],
    "live_preferences": ["pays for the best: large", "counts cents: small", "nothing was learned again: True"],
    "add_and_retire": [
        "a twentieth: expensive",
        "arrives: new",
        "serves: 0",
        "gets: new",
        "no arm left: no eligible arm",
    ],
    "serve_adapters": [
        "at first: unload nothing; load mixed",
        "after 800 requests the GPU holds: code, law",
        "unload law; load poems",
        "after 1600 requests the GPU holds: code, poems",
        "why: cache: resident code, poems, miss cost law 0.15",
    ],
    "latency_target": [
        "with a target: quality 0.8",
        "why: expected to be late are",
        "within one percent of its share: True",
    ],
    "shares_of_traffic": [
        "the partner serves a quarter: True",
        "and nearly all of that is easy: True",
        "the old model serves at most a fiftieth: True",
        "own at most 60 % of each cohort: True",
    ],
    "quality_floor": [
        "at first there is no surplus: trusted",
        "in the last hundred the promising one leads: True",
        "never below the floor: True",
    ],
    "begin_in_the_shadow": [
        "shadow: 0 outcomes known at the start, old serves 100%",
        "agreed with the rule on some requests: True",
        "apprentice: 200 outcomes known at the start",
        "the apprentice was promoted: True",
        "holdout: 1200 outcomes known at the start",
        "the lift is above 0 with confidence: True",
    ],
    "from_config": [
        "preferences: {'quality': 1.0, 'cost_usd': 0.1}",
        "unknown key 'policy.alhpa'",
    ],
    "keep_sessions": [
        "a hard question: large (live)",
        "an easy one next: large (held)",
        "leaving it would bill 8500 tokens again",
        "the same without a session: small",
    ],
    "survive_outages": ["down for 200 requests: 3 failed calls", "back after 0 requests", "outage of best: 198 s"],
    "notice_drift": [
        "found: quality of favourite, worse",
        "past data is now 1/8",
        "better with the controller: True",
    ],
    "welcome_arms": [
        "poor was ruled out: True",
        "v2 starts from the posterior of v1: True",
        "and serves at once: True",
    ],
    "keep_a_budget": [
        "easy requests go to small",
        "middling requests go to medium",
        "hard requests go to large",
        "costs 0.002 USD; 0.002 are allowed",
        "why: budget: shadow price cost usd",
    ],
    "replay_a_log": ["best static mixture", "more per request than always code"],
}


def test_every_example_is_known_here() -> None:
    found = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"__init__"}
    assert found == set(ESSENTIAL)


@pytest.fixture
def _same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ids deterministic: they seed the draws, and random ones sometimes give a forced request."""
    moments = itertools.count(1_700_000_000_000_000_000, 1_000_000)
    monkeypatch.setattr(decision_ids, "os", SimpleNamespace(urandom=random.Random(7).randbytes))
    monkeypatch.setattr(decision_ids, "time", SimpleNamespace(time_ns=lambda: next(moments)))


@pytest.mark.usefixtures("_same_ids")
@pytest.mark.parametrize("name", ESSENTIAL)
def test_example_runs_and_prints_its_essential_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module(f"examples.{name}", run_name="__main__")
    printed = capsys.readouterr().out
    assert [line for line in ESSENTIAL[name] if line not in printed] == []


def readme_programs() -> list[str]:
    """Return the Python blocks of the README."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_hello_world_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, cache, *others = readme_programs()
    (client,) = (text for text in others if "FeedbackClient" in text)
    names: dict[str, object] = {}
    for text in (program, client, cache):
        exec(compile(text, "README.md", "exec"), names)  # noqa: S102  # our own text
    assert "feedback" in capsys.readouterr().out
    assert (tmp_path / "routing.db").exists()


def test_the_policy_of_the_readme_keeps_the_laws(tmp_path: Path) -> None:
    program = tmp_path / "test_readme.py"
    (text,) = (text for text in readme_programs() if "PolicyLaws" in text)
    program.write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(program)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout.decode()
