"""What a row of the table is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias

Tick: TypeAlias = Callable[[int, int], None]
"""Called with (done, in all) while a row is measured."""

Figures: TypeAlias = Mapping[str, float | str]
"""What was counted → how much; read as "0 lost, 91,618 acknowledged"."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one row measured.

    Attributes:
        measured: Of the library.
        holds: Whether that is within what the plan asks for.
        control: Of the variant that is known to be bad.
        caught: Whether it failed, as it must: else the row proves nothing.
    """

    measured: Figures
    holds: bool
    control: Figures
    caught: bool


class Row(Protocol):
    """One row of the plan; an instance has the scale at which it is run.

    Attributes:
        id: As in the plan.
        does: What is done, in one line.
        asks: What is asked for.
        control: The variant that must fail.
    """

    id: ClassVar[str]
    does: ClassVar[str]
    asks: ClassVar[str]
    control: ClassVar[str]

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Do it, in the empty directory ``place``.

        Raises:
            NotHere: if this machine lacks what it needs.
        """
        ...
