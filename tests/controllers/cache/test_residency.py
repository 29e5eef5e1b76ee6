"""What a vLLM server says of its adapters, and what an application knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditroute.controllers import Adapter, CallbackResidency, Level, StaticCache, VLLMResidency
from banditroute.testing import situation
from banditroute.testing.controllers import even

LOADED = 'vllm:lora_adapter_loaded{adapter_name="%s",level="%s"} %s'
INFO = 'vllm:lora_requests_info{max_lora="4",running_lora_adapters="%s",waiting_lora_adapters=""} %s'


def read(*lines: str) -> dict[str, Level]:
    """Levels after one scrape of these lines."""
    residency = VLLMResidency()
    residency.update("\n".join(lines))
    return dict(residency.levels())


def test_loaded_adapters() -> None:
    found = read(
        "# HELP vllm:lora_adapter_loaded Adapters.",
        "# TYPE vllm:lora_adapter_loaded gauge",
        LOADED % ("law", "gpu", "1"),
        LOADED % ("law", "cpu", "1.0"),
        LOADED % ("code", "gpu", "0"),
        LOADED % ("code", "cpu", "1.0 1700000000000"),
        LOADED % ("poetry", "gpu", "0.0"),
        'vllm:lora_adapter_loaded{engine="0",adapter_name="math"} 1e0',
    )
    assert found == {"law": Level.GPU, "code": Level.HOST, "poetry": Level.DISK, "math": Level.GPU}


def test_running_adapters_are_those_of_the_newest_sample() -> None:
    """The client library keeps a sample for each list that there ever was; its value is when it was true."""
    lines = [INFO % ("a,b", "1.7e9"), INFO % (" c , d,", "1.70000002e9"), INFO % ("e", "1.70000001e9")]
    assert read(*lines) == {"c": Level.GPU, "d": Level.GPU}
    assert read(*lines, INFO % ("", "1.8e9")) == {}


def test_loaded_adapters_take_precedence_over_running_ones() -> None:
    assert read(INFO % ("b", "1.7e9"), LOADED % ("a", "gpu", "1")) == {"a": Level.GPU}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "vllm:lora_adapter_loaded",
        "vllm:lora_adapter_loaded 1",
        LOADED % ("a", "gpu", ""),
        LOADED % ("a", "gpu", "one"),
        'vllm:lora_adapter_loaded{adapter_name="a",level="gpu} 1',
        'vllm:lora_adapter_loaded{adapter_name="a"',
        'vllm:lora_adapter_loaded{level="gpu"} 1',
        'vllm:other{adapter_name="a",level="gpu"} 1',
        INFO % ("a", "NaN"),
        INFO % ("a", "soon"),
        "{}{}{}",
        "vllm:lora_adapter_loaded{" + 'a="b" ' * 50 + "} 1",
        "\x00\ufeff",
    ],
)
def test_lines_that_say_nothing_are_passed_over(line: str) -> None:
    assert read(line, LOADED % ("sure", "gpu", "1")) == {"sure": Level.GPU}
    assert read(line) == {}


def test_not_a_number_is_not_loaded() -> None:
    assert read(LOADED % ("a", "gpu", "NaN")) == {"a": Level.DISK}


def test_a_scrape_replaces_the_one_before() -> None:
    residency = VLLMResidency()
    residency.update(LOADED % ("a", "gpu", "1"))
    residency.update(LOADED % ("b", "gpu", "1"))
    assert residency.levels() == {"b": Level.GPU}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_survives(name: str) -> None:
    escaped = name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    assert read(LOADED % (escaped, "gpu", "1")) == {name: Level.GPU}


@given(st.text(alphabet='vllm:or_adptene{}=",\\ 01\n#'))
def test_nothing_makes_it_fail(text: str) -> None:
    read(text)


def test_evidence_counts_more_than_the_plan() -> None:
    levels = {"a": Level.DISK, "b": Level.HOST}
    adapters = {name: Adapter(load_s=4.0, host_load_s=0.5) for name in "abcd"}
    cache = StaticCache(
        adapters,
        capacity=3,
        utility_per_second=0.25,
        initial=["a", "c"],
        residency=CallbackResidency(lambda: levels),
    )
    assert [cache.miss_cost(arm) for arm in ("a", "b", "c", "d", "none")] == [1.0, 0.125, 0.0, 1.0, 0.0]
    levels["d"] = Level.GPU
    assert cache.miss_cost("d") == 0.0
    plan = cache.plan()
    assert (plan.to_load, plan.to_evict) == (("a", "c"), ("d",))


def test_effects_show_the_evidence_that_control_saw() -> None:
    answers = iter([{"a": Level.GPU, "b": Level.HOST}, {"a": Level.DISK, "b": Level.DISK}])
    adapters = {name: Adapter(load_s=4.0, host_load_s=0.5) for name in ("arm 0", "arm 1")}
    evidence = CallbackResidency(lambda: {f"arm {'ab'.index(k)}": level for k, level in next(answers).items()})
    cache = StaticCache(adapters, capacity=1, utility_per_second=0.25, residency=evidence)
    given = situation(3, 2, 2)
    cache.control(given, even)
    assert cache.effects(given)["miss_cost"] == {"arm 1": 0.125}


def test_without_evidence_the_plan_says_what_is_wanted_and_what_is_not() -> None:
    adapters = {name: Adapter(load_s=4.0) for name in "abcd"}
    plan = StaticCache(adapters, capacity=2, utility_per_second=0.25, initial=["c", "a"]).plan()
    assert (plan.to_load, plan.to_evict) == (("c", "a"), ("b", "d"))
