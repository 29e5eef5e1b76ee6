"""Residency: where the adapters are, from the server if it reports that."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from banditroute.controllers.cache.adapter import Level

_LABEL = re.compile(r'\s*(\w+)="((?:[^"\\]|\\.)*)",?')
_SAMPLE = re.compile(rf"(?P<name>[a-zA-Z_:][\w:]*)\s*\{{(?P<labels>(?:{_LABEL.pattern})*)\s*\}}\s*(?P<value>\S+)")
_ESCAPED = re.compile(r"\\(.)")


class Residency(Protocol):
    """Evidence of where adapters lie; it must answer at once, from memory."""

    def levels(self) -> Mapping[str, Level]:
        """Arm → level, for those of which something is known; a controller believes its own plan of the rest."""
        ...


class CallbackResidency:
    """Residency that the application knows: a function that returns it at once."""

    def __init__(self, levels: Callable[[], Mapping[str, Level]]) -> None:
        self._levels = levels

    def levels(self) -> Mapping[str, Level]:
        """Return what the function reports now."""
        return self._levels()


class VLLMResidency:
    """Residency read from the metrics text of a vLLM server.

    The application fetches the text (``GET /metrics``) when it likes and gives it to :meth:`update`; ``route``
    never waits for a network. Only ``vllm:lora_adapter_loaded`` speaks of residents. Servers without it have
    just ``vllm:lora_requests_info``, which lists adapters with requests in flight: those are on the GPU, but
    of the others it says nothing.
    """

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}

    def update(self, metrics: str) -> None:
        """Take in one scrape, in Prometheus' text format; lines that are of no use are passed over."""
        loaded: dict[str, Level] = {}
        running: dict[str, Level] = {}
        newest = -math.inf
        for line in metrics.split("\n"):
            name, labels, value = _sample(line)
            if name == "vllm:lora_adapter_loaded" and "adapter_name" in labels:
                level = Level.GPU if labels.get("level", "gpu") == "gpu" else Level.HOST
                adapter = labels["adapter_name"]
                loaded[adapter] = min(level if value > 0 else Level.DISK, loaded.get(adapter, Level.DISK))
            # Its value is the time at which it was true; what was true before stays there to be read.
            elif name == "vllm:lora_requests_info" and value >= newest:
                names = labels.get("running_lora_adapters", "").split(",")
                running, newest = {each.strip(): Level.GPU for each in names if each.strip()}, value
        self._levels = loaded or running

    def levels(self) -> Mapping[str, Level]:
        """Return the result of the last scrape."""
        return self._levels


def _sample(line: str) -> tuple[str, dict[str, str], float]:
    """Name, labels and value of a line; no name and NaN where it is no sample with labels."""
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
