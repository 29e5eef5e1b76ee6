"""Residency: the current level of each adapter, as reported by the application or the server."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from banditroute.controllers.cache.adapter import Level

_LABEL = re.compile(r'\s*(\w+)="((?:[^"\\]|\\.)*)",?')
_SAMPLE = re.compile(rf"(?P<name>[a-zA-Z_:][\w:]*)\s*\{{(?P<labels>(?:{_LABEL.pattern})*)\s*\}}\s*(?P<value>\S+)")
_ESCAPED = re.compile(r"\\(.)")


class Residency(Protocol):
    """Protocol: reports the level of adapters; it must answer at once, from memory."""

    def levels(self) -> Mapping[str, Level]:
        """Return arm → level for the arms with a known level; a controller uses its plan for the others."""
        ...


class CallbackResidency:
    """Residency returned by a function of the application, which must return at once."""

    def __init__(self, levels: Callable[[], Mapping[str, Level]]) -> None:
        self._levels = levels

    def levels(self) -> Mapping[str, Level]:
        """Return what the function reports now."""
        return self._levels()


class VLLMResidency:
    """Residency parsed from the metrics text of a vLLM server.

    The application fetches the text (``GET /metrics``) periodically and passes it to :meth:`update`; ``route``
    never waits for a network. Only ``vllm:lora_adapter_loaded`` reports residents. Servers without it have only
    ``vllm:lora_requests_info``, which lists adapters with running requests: those are on the GPU, and the levels
    of the others are unknown.
    """

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}

    def update(self, metrics: str) -> None:
        """Read one scrape in Prometheus' text format; unrelated lines are skipped."""
        loaded: dict[str, Level] = {}
        running: dict[str, Level] = {}
        newest = -math.inf
        for line in metrics.split("\n"):
            name, labels, value = _sample(line)
            if name == "vllm:lora_adapter_loaded" and "adapter_name" in labels:
                level = Level.GPU if labels.get("level", "gpu") == "gpu" else Level.HOST
                adapter = labels["adapter_name"]
                loaded[adapter] = min(level if value > 0 else Level.DISK, loaded.get(adapter, Level.DISK))
            # The value is a time stamp; the server keeps older samples, so the newest one counts.
            elif name == "vllm:lora_requests_info" and value >= newest:
                names = labels.get("running_lora_adapters", "").split(",")
                running, newest = {each.strip(): Level.GPU for each in names if each.strip()}, value
        self._levels = loaded or running

    def levels(self) -> Mapping[str, Level]:
        """Return the result of the last scrape."""
        return self._levels


def _sample(line: str) -> tuple[str, dict[str, str], float]:
    """Return name, labels and value of a line; an empty name and NaN if it is not a sample with labels."""
    sample = _SAMPLE.match(line)
    if sample is None:
        return "", {}, math.nan
    labels = {key: _ESCAPED.sub(_unescaped, text) for key, text in _LABEL.findall(sample["labels"])}
    try:
        return sample["name"], labels, float(sample["value"])
    except ValueError:
        return "", {}, math.nan


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
