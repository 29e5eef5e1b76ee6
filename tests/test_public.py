"""The exports of the package, and the modules that importing it loads."""

import subprocess
import sys

import banditroute

HEAVY = ("sqlalchemy", "alembic", "river", "pandas", "matplotlib", "typer", "scipy.linalg", "pyarrow", "pydantic")


def test_exported_names() -> None:
    assert banditroute.__all__ == [
        "Arm",
        "BanditRouteError",
        "Decision",
        "EpsilonGreedy",
        "Expectation",
        "Explanation",
        "Exploration",
        "Fixed",
        "LinTS",
        "LinUCB",
        "Objective",
        "OutcomeWindow",
        "Policy",
        "Price",
        "Receipt",
        "Router",
        "Uniform",
    ]
    assert all(hasattr(banditroute, name) for name in banditroute.__all__)


def loaded_by(statement: str) -> set[str]:
    """Return the heavy modules that a new interpreter has loaded after ``statement``."""
    program = f"{statement}; import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_is_light() -> None:
    assert loaded_by("import banditroute") == set()


def test_control_a_heavy_import_is_seen() -> None:
    assert loaded_by("import banditroute, sqlalchemy") == {"sqlalchemy"}
