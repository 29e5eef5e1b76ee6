"""A router from a file and the environment: what is read, what is refused, and the router that it gives."""

import inspect
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from banditroute import Arm, Exploration, LinUCB, Objective, OutcomeWindow, Price, Router
from banditroute.cli import main
from banditroute.controllers import (
    Adapter,
    Budget,
    DoublingEpochs,
    Drift,
    EpochCache,
    LFUCache,
    LRUCache,
    PerCohort,
    Shadow,
)
from banditroute.errors import InvalidArgumentError, MissingDependencyError
from banditroute.integrations.settings import RouterSettings
from banditroute.integrations.settings.base import Settings
from banditroute.integrations.settings.controllers import ControllerSettings
from banditroute.integrations.settings.source import from_environment
from banditroute.testing.world import bodies

EXAMPLE = Path(__file__).parents[2] / "examples" / "router.toml"
LEAST: dict[str, Any] = {"name": "r", "arms": [{"name": "a"}, {"name": "b"}]}
SECRET = "thirty-two characters and some more"  # noqa: S105
FULL: dict[str, Any] = {
    "name": "r",
    "arms": [{"name": "a", "price": {"input": 1, "output": 2}, "prior": {"quality": 0.8}}, {"name": "b"}],
    "objectives": [
        {"name": "quality", "window": {"seconds": 60, "missing": "default", "default": 0.0}},
        {"name": "cost_usd", "goal": "min", "bounds": [0, 0.05]},
    ],
    "preferences": {"quality": 1.0, "cost_usd": 0.4},
    "policy": {"kind": "linucb", "alpha": 0.7, "ridge": 3, "exploration": {"floor": 0.1}},
    "controllers": [{"kind": "budget", "usd_per_request": 0.002}],
    "features": 3,
    "seed": 5,
    "secret": SECRET,
}


def by_hand(**more: Any) -> Router:
    return Router(
        "r",
        arms=[Arm("a", price=Price(input=1, output=2), prior={"quality": 0.8}), Arm("b")],
        objectives=[
            Objective("quality", window=OutcomeWindow(seconds=60, missing="default", default=0.0)),
            Objective("cost_usd", goal="min", bounds=(0, 0.05)),
        ],
        preferences={"quality": 1.0, "cost_usd": 0.4},
        policy=LinUCB(alpha=0.7, ridge=3, exploration=Exploration(floor=0.1)),
        controllers=[Budget(usd_per_request=0.002)],
        features=3,
        seed=5,
        secret=SECRET.encode(),
        **more,
    )


def descendants(model: type[Settings]) -> list[type[Settings]]:
    return [each for child in model.__subclasses__() for each in (child, *descendants(child))]


def choices(router: Router) -> tuple[object, ...]:
    found: list[object] = []
    for number in range(80):
        decision = router.route([number % 7 / 7, -number % 5 / 5, 0.5])
        router.feedback(decision.id, quality=number % 3 / 2, cost_usd=0.01 * (decision.arm == "a"))
        found += [decision.id, decision.arm, decision.propensity]
    return (*found, router.digest())


def fixed() -> dict[str, Any]:
    return {"ids": bodies(), "clock": lambda: 1e9}


def test_it_is_the_router_made_by_hand() -> None:
    made = choices(by_hand(**fixed()))
    assert choices(RouterSettings.of(FULL).router(**fixed())) == made
    other = FULL | {"policy": {"kind": "linucb", "alpha": 0.1}}
    assert choices(RouterSettings.of(other).router(**fixed())) != made


@pytest.mark.parametrize("suffix", [".toml", ".yaml", ".yml"])
def test_a_file_of_each_format_gives_the_same(tmp_path: Path, suffix: str) -> None:
    text = {
        ".toml": 'name = "r"\nseed = 3\n[[arms]]\nname = "a"\n[[arms]]\nname = "b"\n[policy]\nkind = "uniform"\n',
    }.get(suffix, "name: r\nseed: 3\narms:\n- name: a\n- name: b\npolicy: {kind: uniform}\n")
    file = tmp_path / f"router{suffix}"
    file.write_text(text, encoding="utf-8")
    expected = RouterSettings.of(LEAST | {"seed": 3, "policy": {"kind": "uniform"}})
    assert RouterSettings.read(file, environment={}) == expected


def test_the_environment_wins_key_by_key() -> None:
    settings = RouterSettings.read(
        EXAMPLE,
        environment={
            "BANDITROUTE_STORE": "sqlite:///routing.db",
            "BANDITROUTE_SEED": "11",
            "BANDITROUTE_POLICY__ALPHA": "0.25",
            "BANDITROUTE_PREFERENCES": '{"quality": 2}',
            "BANDITROUTE_POSTGRES": "none",
            "HOME": "/root",
        },
    )
    assert (settings.seed, settings.policy.build().alpha) == (11, 0.25)
    # A JSON value is a table like those of the file, so it is merged into it.
    assert settings.preferences == {"quality": 2.0, "cost_usd": 0.4}
    assert settings.arguments()["store"] == "sqlite:///routing.db"


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("BANDITROUTE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("BANDITROUTE_NAME", "r")
    monkeypatch.setenv("BANDITROUTE_ARMS", '[{"name": "a"}, {"name": "b"}]')
    assert RouterSettings.read() == RouterSettings.of(LEAST)


ADAPTERS = {"a": {"load_s": 1.5}, "b": {"load_s": 2, "size": 2}}
CACHE = {"adapters": ADAPTERS, "capacity": 2, "utility_per_second": 0.1}
CONTROLLERS: list[dict[str, Any]] = [
    {"kind": "budget", "usd_per_request": 0.1},
    {"kind": "latency", "p": 0.9, "seconds": 2},
    {"kind": "average", "objective": "quality", "at_least": 0.5},
    {"kind": "within", "objective": "quality", "share": 0.9, "at_least": 0.5},
    {"kind": "shares", "min": {"a": 0.2}},
    {"kind": "quality_floor", "baseline": "a", "at_least": 0.9},
    {"kind": "drift"},
    {"kind": "drift", "detectors": [{"kind": "adwin", "delta": 0.01}, {"kind": "page_hinkley"}]},
    {"kind": "circuit_breaker", "failures": 5},
    {"kind": "onboarding", "pulls": 3},
    {"kind": "per_cohort", "controller": {"kind": "average", "objective": "quality", "at_least": 0.5}},
    {"kind": "session", "cost": {"kind": "prompt_cache", "saving": {"a": 2.25}}},
    {"kind": "session", "cost": {"kind": "adapter_load", "seconds": {"a": 1}, "utility_per_second": 0.1}},
    {"kind": "static_cache", "initial": ["a"], **CACHE},
    {"kind": "lru_cache", **CACHE},
    {"kind": "lfu_cache", **CACHE},
    {"kind": "epoch_cache", "epochs": {"kind": "doubling", "first": 8}, **CACHE},
    {"kind": "epoch_cache", "epochs": {"kind": "fixed", "requests": 8}, **CACHE},
    {"kind": "shadow", "incumbent": "a"},
    {"kind": "shadow", "incumbent": {"kind": "fixed", "arm": "a"}},
    {"kind": "apprentice", "incumbent": "a", "measures": {"quality": [0, 1]}},
    {"kind": "holdout", "share": 0.1, "incumbent": "a", "by": "request"},
]


def kinds(alias: Any) -> list[type[Settings]]:
    return list(get_args(get_args(alias)[0]))


@pytest.mark.parametrize("table", CONTROLLERS, ids=lambda table: table["kind"])
def test_each_controller_opens_in_a_router(table: dict[str, Any]) -> None:
    settings = RouterSettings.of(LEAST | {"controllers": [table]})
    (controller,) = settings.build_controllers()
    (model,) = (
        each for each in kinds(ControllerSettings) if table["kind"] in get_args(each.__annotations__["kind"])
    )
    assert type(controller) is model.builds
    with settings.router(ids=bodies()) as router:
        decision = router.route([0.5, 1.0], incumbent="a")
        router.feedback(decision.id, quality=0.5)


def test_each_kind_of_controller_is_tested() -> None:
    named = {kind for each in kinds(ControllerSettings) for kind in get_args(each.__annotations__["kind"])}
    assert named == {table["kind"] for table in CONTROLLERS}


def test_keys_reach_the_controllers_within() -> None:
    cohort, cache, drift, shadow = RouterSettings.of(
        LEAST | {"controllers": [CONTROLLERS[10], CONTROLLERS[16], CONTROLLERS[7], CONTROLLERS[19]]}
    ).build_controllers()
    assert isinstance(cohort, PerCohort)
    assert cohort.of("one").name == "quality average"
    assert isinstance(cache, EpochCache)
    assert cache.adapters == {"a": Adapter(load_s=1.5), "b": Adapter(load_s=2, size=2)}
    assert cache.epochs == DoublingEpochs(first=8)
    assert isinstance(drift, Drift)
    assert isinstance(shadow, Shadow)


NOT_IN_FILES = {"residency", "gate", "make"}
"""Parameters that take an object of the program."""


@pytest.mark.parametrize(
    "model",
    [each for each in descendants(Settings) if hasattr(each, "builds")],
    ids=lambda model: model.__name__,
)
def test_keys_and_defaults_are_those_of_the_constructor(model: type[Settings]) -> None:
    # LFUCache passes its arguments on.
    builds = LRUCache if model.builds is LFUCache else model.builds
    parameters = inspect.signature(builds).parameters
    assert parameters.keys() - NOT_IN_FILES == model.model_fields.keys() - {"kind", "controller"}
    for name, field in model.model_fields.items():
        if name not in ("kind", "controller"):
            assert field.is_required() == (parameters[name].default is inspect.Parameter.empty), name
            if isinstance(field.default, int | float | str | tuple):
                assert field.default == parameters[name].default, name


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"polcy": {}}, "unknown key 'polcy'"),
    ({"arms": [{"name": "a", "pricee": 1}]}, "unknown key 'arms.0.pricee'"),
    (
        {"arms": [{"name": "a", "price": {"input": 1, "output": 1, "cached": 1}}]},
        "unknown key 'arms.0.price.cached'",
    ),
    ({"policy": {"kind": "linucb", "alhpa": 1}}, "unknown key 'policy.alhpa'"),
    ({"controllers": [{"kind": "drift", "x": 1}]}, "unknown key 'controllers.0.x'"),
    ({"arms": [{}]}, "key 'arms.0.name' is missing"),
    ({"policy": {"kind": "magic"}}, "policy: input tag 'magic' found"),
    ({"policy": {}}, "policy: unable to extract tag"),
    ({"seed": "many"}, "seed: input should be a valid integer"),
    ({"x_max": float("nan")}, "x_max: input should be a finite number"),
    ({"policy": {"kind": "linucb", "alpha": -1}}, "policy: alpha = -1.0 must be a finite number, at least 0"),
    ({"arms": [{"name": ""}]}, "arms.0: arm name '' must be 1 to 200"),
    ({"objectives": [{"name": "a b"}]}, "objectives.0: objective name 'a b' must be an identifier"),
    ({"features": "x"}, "features: input should be a valid integer"),
    ({"features": [["x"]]}, "features: input should be a valid integer"),
    ({"policy": {"kind": "linucb", "alpha": True}}, "policy.alpha: true and false are no numbers"),
    ({"seed": True}, "seed: true and false are no numbers"),
    ({"arms": [{"name": "a", "prior": {"quality": False}}]}, "arms.0.prior.quality: true and false are no"),
    ({"preferences": {"intercept": True}}, "preferences.intercept: true and false are no numbers"),
    ({"policy": {"kind": "fixed"}}, "key 'policy.arm' is missing"),
    (
        {"controllers": [{"kind": "shadow", "incumbent": {"kind": "fixed", "amr": "a"}}]},
        "unknown key 'controllers.0.incumbent.amr'",
    ),
    (
        {"controllers": [{"kind": "session", "cost": {"kind": "adapter_load", "seconds": {}}}]},
        "key 'controllers.0.cost.utility_per_second' is missing",
    ),
    (
        {"controllers": [{"kind": "per_cohort", "controller": {"kind": "average", "objective": "q"}}]},
        "controllers.0: ",
    ),
    ({"controllers": [{"kind": "budget"}]}, "controllers.0: a budget needs one of"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_is_wrong_is_refused_by_its_path(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RouterSettings.of(LEAST | change, origin="config 'router.toml'")
    assert str(caught.value).startswith(f"config 'router.toml': {sentence}")
    assert "\n" not in str(caught.value)


def test_control_the_one_boolean_is_accepted() -> None:
    assert RouterSettings.of(LEAST | {"intercept": False}).intercept is False


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "name = ", "is not valid TOML"),
        ("a.yaml", "a: [", "is not valid YAML"),
        ("a.yaml", "- a", "must hold keys and values, got list"),
        ("a.yaml", "", "must hold keys and values, got NoneType"),
        ("a.yaml", "[" * 5_000, "is not valid YAML"),
        ("a.json", "{}", "must end in .toml, .yaml or .yml, not in '.json'"),
        ("a.toml", "\udcff", "cannot be read"),
        ("a.toml", "a = " + "[" * 5_000, "is not valid TOML"),
        ("a.yaml", "name: r\nsince: 2026-13-01", "is not valid YAML"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidArgumentError, match=sentence):
        RouterSettings.read(file, environment={})


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        RouterSettings.read(tmp_path / "none.toml", environment={})


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BANDITROUTE_ARMS": '[{"name"'}, "BANDITROUTE_ARMS is not valid JSON"),
        ({"BANDITROUTE_POLICY": "x", "BANDITROUTE_POLICY__KIND": "y"}, "BANDITROUTE_POLICY__KIND sets a key of"),
        ({"BANDITROUTE_SEEED": "1"}, "^BANDITROUTE_SEEED: unknown key 'seeed'"),
        ({"BANDITROUTE_POLICY__ALHPA": "1"}, "^BANDITROUTE_POLICY__ALHPA: unknown key 'policy.alhpa'"),
        ({"BANDITROUTE_ARMS": '[{"naem": "a"}]'}, "^BANDITROUTE_ARMS: unknown key 'arms.0.naem'"),
        ({"BANDITROUTE_": "1"}, "^BANDITROUTE_: unknown key ''"),
        ({"BANDITROUTE_SEED": "x"}, "^BANDITROUTE_SEED: seed: input should be a valid integer"),
        ({"BANDITROUTE_POLICY__ALPHA": "-1"}, "^config '.*' and BANDITROUTE_\\* variables: policy: alpha = -1.0"),
    ],
)
def test_variables_that_are_refused(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        RouterSettings.read(EXAMPLE, environment=environment)


def test_passwords_are_shown_nowhere() -> None:
    url = "postgresql+psycopg://me:hunter2@host/db"
    settings = RouterSettings.of(LEAST | {"store": url, "secret": SECRET})
    assert settings.arguments()["store"] == url
    messages = []
    for change in ({"store": [url]}, {"secret": [SECRET]}, {"stroe": url}):
        with pytest.raises(InvalidArgumentError) as caught:
            RouterSettings.of(LEAST | change)
        messages.append(repr(caught.value))
    for text in (repr(settings), str(settings), settings.model_dump_json(), *messages):
        assert "hunter2" not in text
        assert SECRET not in text


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.yaml", 'store: "postgresql://me:hunter2@host/db', "not valid YAML at line 1, column"),
        ("a.yaml", "store: postgresql://me:hunter2@host/db: x", "not valid YAML at line 1, column"),
        ("a.yaml", "secret: *hunter2", "not valid YAML at line 1, column"),
        ("a.yaml", "secret: !hunter2 x", "not valid YAML at line 1, column"),
        ("a.toml", 'store = "postgresql://me:hunter2@host/db', "not valid TOML"),
    ],
)
def test_a_damaged_file_shows_no_password(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match=sentence) as caught:
        RouterSettings.read(file, environment={})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_secret_may_begin_like_json() -> None:
    secret = "{" + SECRET
    settings = RouterSettings.read(EXAMPLE, environment={"BANDITROUTE_SECRET": secret})
    assert settings.arguments()["secret"] == secret.encode()


def test_the_spool_variable_stays_with_the_store() -> None:
    # It is a default for PostgreSQL; as a setting it would put the spools of all SQLite files into one directory.
    assert RouterSettings.read(EXAMPLE, environment={"BANDITROUTE_SPOOL": "elsewhere"}).spool is None


def test_yaml_without_its_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: r", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependencyError, match=r"needs PyYAML: pip install 'banditroute\[yaml\]'"):
        RouterSettings.read(file, environment={})


NUMBERS = st.floats(0, 100, allow_nan=False)
POLICIES = st.one_of(
    st.builds(lambda alpha, ridge: {"kind": "linucb", "alpha": alpha, "ridge": ridge + 1}, NUMBERS, NUMBERS),
    st.builds(lambda epsilon: {"kind": "epsilon_greedy", "epsilon": epsilon}, st.floats(0.01, 0.99)),
    st.just({"kind": "uniform"}),
)
ARMS = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True).map(
    lambda names: [{"name": name, "price": {"input": 1, "output": len(names)}} for name in names]
)
TABLES = st.builds(
    lambda arms, policy, seed, table: {
        "name": "r", "arms": arms, "policy": policy, "seed": seed, "controllers": [table]
    },
    ARMS, POLICIES, st.integers(0, 2**63), st.sampled_from(CONTROLLERS),
)  # fmt: skip


@hypothesis_settings(deadline=None)  # the first drift controller imports river
@given(TABLES)
def test_settings_survive_yaml_the_environment_and_their_own_json(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]
) -> None:
    settings = RouterSettings.of(table)
    file = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    file.write_text(yaml.safe_dump(table), encoding="utf-8")
    assert RouterSettings.read(file, environment={}) == settings
    variables = {
        f"BANDITROUTE_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in table.items()
    }
    assert RouterSettings.read(environment=variables) == settings
    assert RouterSettings.model_validate_json(settings.model_dump_json(exclude_unset=True)) == settings


@given(st.dictionaries(st.text("ABC_", min_size=1, max_size=8), st.text(max_size=8), max_size=5))
def test_any_environment_is_read_or_refused(variables: dict[str, str]) -> None:
    try:
        from_environment({f"BANDITROUTE_{name}": value for name, value in variables.items()})
    except InvalidArgumentError as error:
        assert "BANDITROUTE_" in str(error)  # noqa: PT017


def test_the_schema_names_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"].keys() == RouterSettings.model_fields.keys()
    assert schema["additionalProperties"] is False
    assert {"BudgetSettings", "LinUCBSettings", "ArmSettings"} <= schema["$defs"].keys()


def test_the_command_line_checks_a_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "check", str(EXAMPLE)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "router 'support': OK\narms: small, large\nobjectives: quality, cost_usd\npolicy: LinUCB("
    )
    assert shown.endswith("controllers: budget\n")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(EXAMPLE.read_text("utf-8").replace("alpha", "alhpa"), encoding="utf-8")
    assert main(["config", "check", str(wrong)]) != 0
    assert "unknown key 'policy.alhpa'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("preferences = { nope = 1 }", "preferences name an unknown objective 'nope'"),
        ("default_arm = 'nope'", "unknown arm 'nope'"),
        ("secret = 'hunter2'", "secret must be at least 32 bytes"),
        ("store = 'mysql://me:hunter2@host/db'", "store URL names the database 'mysql'"),
    ],
)
def test_the_command_line_finds_what_a_router_would_refuse(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f'name = "r"\n{line}\n[[arms]]\nname = "a"\n', encoding="utf-8")
    assert main(["config", "check", str(file)]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert "hunter2" not in shown.err + shown.out


def test_the_configuration_in_the_readme_opens_a_router() -> None:
    (table,) = re.findall(
        r"```toml\n(.*?)```", EXAMPLE.parents[1].joinpath("README.md").read_text("utf-8"), re.DOTALL
    )
    RouterSettings.of(tomllib.loads(table)).check()


def test_the_check_leaves_the_store_alone(tmp_path: Path) -> None:
    RouterSettings.of(
        LEAST | {"store": f"sqlite:///{tmp_path / 'routing.db'}", "spool": str(tmp_path / "s")}
    ).check()
    assert list(tmp_path.iterdir()) == []
