"""N1: a factor that is carried from row to row for a very long time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.learning import RidgePosterior
from simulations.reliability.harness.extended import ExtendedGram
from simulations.reliability.harness.row import Finding, Tick

RIDGE = 2.0
CHECKPOINTS = 10
Family: TypeAlias = Callable[[np.random.Generator, int, int], FloatArray]


def iid(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """Rows of about unit length in all directions."""
    rows: FloatArray = rng.normal(size=(count, dimension)) / np.sqrt(dimension)
    return rows


def collinear(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """Eight directions, and a ten-thousandth of all others."""
    basis = np.random.default_rng(8).normal(size=(8, dimension)) / np.sqrt(dimension)
    rows: FloatArray = rng.normal(size=(count, 8)) @ basis + 1e-4 * rng.normal(size=(count, dimension))
    return rows


def one_hot(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """A category and an intercept, which is the sum of all categories."""
    rows = np.zeros((count, dimension))
    rows[np.arange(count), rng.integers(0, dimension - 1, count)] = 1.0
    rows[:, -1] = 1.0
    return rows


def scales(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """Features in units from a thousandth to a thousand."""
    return rng.normal(size=(count, dimension)) * 10.0 ** np.linspace(-3, 3, dimension)


def counts(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """Raw counts, of what is frequent and of what is rare."""
    return rng.poisson(10.0 ** np.linspace(3, -2, dimension), size=(count, dimension)).astype(np.float64)


FAMILIES: Mapping[str, Family] = {
    "iid": iid,
    "collinear": collinear,
    "one-hot": one_hot,
    "scales": scales,
    "counts": counts,
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way of holding P, which follows from the number of arms and features, and for how many rows.

    Attributes:
        name: Of the way.
        dimension: Features; the last is never seen.
        arms: How many; the first one learns.
        share: Of the steps of the row.
    """

    name: str
    dimension: int
    arms: int
    share: float


FORMS = (
    Form("stacked", 64, 1, 1.0),
    Form("packed", 64, 64, 1.0),
    Form("factored", 128, 1, 0.2),
)


@dataclass(slots=True)
class Drift:
    """The worst of all families and forms."""

    error: float = 0.0
    unseen: float = 0.0
    negative: int = 0
    errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankOne:
    """So many rank-one updates of each family and form; as many steps of the control, until it breaks.

    ``discount`` is the control's: it breaks after ln(1 / ε) / (1 − discount) steps, 36,043 at 0.999.
    """

    id: ClassVar[str] = "N1"
    does: ClassVar[str] = (
        "rank-one updates without refactoring, 5 families of features × 3 forms, γ = 1, against 80 bits"
    )
    asks: ClassVar[str] = "leverage error ≤ 1e-6, 0 non-positive, unseen direction 1/√λ ± 1e-9"
    control: ClassVar[str] = "`P - outer(v / den, v)` under γ = 0.999: widths ≤ 0; the symmetric form keeps them"

    steps: int = 100_000
    control_steps: int = 50_000
    discount: float = 0.999
    control_dimension: int = 64

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (a row of numbers needs no files)
        """Each family in each form, then the control."""
        found, done, parts = Drift(), 0, len(FAMILIES) * 2 * CHECKPOINTS
        for name, family in FAMILIES.items():
            for dimension in sorted({form.dimension for form in FORMS}):
                forms = [form for form in FORMS if form.dimension == dimension]
                steps = int(self.steps * forms[0].share)
                for _ in _carried(found, name, family, forms, steps):
                    tick(done := done + 1, parts)
        one_sided = first_bad_width(_one_sided, self.control_steps, self.control_dimension, self.discount)
        two_sided = first_bad_width(_two_sided, self.control_steps, self.control_dimension, self.discount)
        worst = max(found.errors, key=found.errors.__getitem__)
        measured: dict[str, float | str] = {
            "updates": self.steps,
            f"relative error (worst: {worst})": found.error,
            "non-positive": found.negative,
            "error of the unseen direction": found.unseen,
        }
        holds = found.error <= 1e-6 and not found.negative and found.unseen <= 1e-9
        control: dict[str, float | str] = {
            "first bad width": "none" if one_sided is None else f"step {one_sided:,}",
            "symmetric": "none" if two_sided is None else f"step {two_sided:,}",
        }
        return Finding(measured, holds, control, one_sided is not None and two_sided is None)


def _carried(found: Drift, name: str, family: Family, forms: list[Form], steps: int) -> Iterator[None]:
    """Carry all forms of one dimension along the same rows, and look at each checkpoint."""
    dimension, rng = forms[0].dimension, np.random.default_rng(1)
    reference = ExtendedGram(dimension, RIDGE)
    posteriors = [RidgePosterior(dimension, 1, RIDGE) for _ in forms]
    for form, posterior in zip(forms, posteriors, strict=True):
        for _ in range(form.arms):
            posterior.add_arm()
    probes = np.zeros((81, dimension))
    probes[:40, :-1] = rng.normal(size=(40, dimension - 1))
    probes[40:80, :-1] = family(rng, 40, dimension - 1)
    probes[80, -1] = 1.0
    y = np.zeros(1)
    for _ in range(CHECKPOINTS):
        rows = np.zeros((steps // CHECKPOINTS, dimension))
        rows[:, :-1] = family(rng, len(rows), dimension - 1)
        reference.add(rows)
        expected = reference.leverages(probes)
        for form, posterior in zip(forms, posteriors, strict=True):
            for row in rows:
                posterior.observe(0, row, y)
            leverages = posterior.predict_many(probes)[1][:, 0]
            error = float(np.abs(leverages[:80] / expected[:80] - 1).max())
            case = f"{name}, {form.name}"
            found.errors[case] = max(found.errors.get(case, 0.0), error)
            found.error = max(found.error, error)
            found.negative += int((~(leverages > 0)).sum())
            found.unseen = max(found.unseen, abs(float(np.sqrt(leverages[80])) - RIDGE**-0.5))
        yield


def _one_sided(P: FloatArray, x: FloatArray) -> FloatArray:
    v = P @ x
    return P - np.outer(v / (1 + x @ v), v)


def _two_sided(P: FloatArray, x: FloatArray) -> FloatArray:
    u = P @ x
    u /= np.sqrt(1 + x @ u)
    return P - np.outer(u, u)


def first_bad_width(
    update: Callable[[FloatArray, FloatArray], FloatArray], steps: int, dimension: int, discount: float
) -> int | None:
    """At which step an inverse that is carried under a discount first gives a width that is none."""
    rng = np.random.default_rng(1)
    P = np.eye(dimension)
    probes = rng.normal(size=(80, dimension))
    with np.errstate(all="ignore"):
        for step in range(steps):
            P = update(P / discount, rng.normal(size=dimension))
            if step % 100 == 0 and not (np.einsum("pd,de,pe->p", probes, P, probes) > 0).all():
                return step
    return None
