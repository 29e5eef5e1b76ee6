"""Which faults the row O1 puts into code, and that each is compiled as it says."""

import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from simulations.reliability.harness.mutations import mutated, mutations


def written(tmp_path: Path, source: str) -> None:
    (tmp_path / "module.py").write_text(textwrap.dedent(source))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return a < b", ["return → return None", "Lt → LtE", "Lt → GtE"]),
        ("a += b", ["Add → Sub"]),
        ("if a and not b: f()", ["And → Or", "not → ", "no Expr"]),
        ("while a: break", ["condition → not", "break → continue"]),
        ("return [a for a in b if a]", ["return → return None", "condition → not"]),
        (
            "a = 'x', b'y', 2, 0.5, True, None",
            ["'x' → 'x?'", "b'y' → b'y?'", "2 → 3", "0.5 → 1.5", "True → False"],
        ),
        ("if a is None: raise ValueError('why', 1)", ["Is → IsNot", "no Raise"]),
        ("log.warning('what', 3)", ["no Expr"]),
        ("a: dict['x', 1] = f'{b + 1}'", []),
        ("assert a == 1", []),
        ("'''What it does.'''", []),
    ],
)
def test_what_is_changed(tmp_path: Path, body: str, found: list[str]) -> None:
    written(tmp_path, f"LIMIT = 1\n\n@f('x')\ndef f(a=1, b=2):\n    {body}\n")
    assert [fault.what for fault in mutations(tmp_path, "module.py")] == found


def test_a_fault_is_put_into_a_function_that_is_there(tmp_path: Path) -> None:
    source = """
        class Counter:
            first = 1

            @property
            def nearly(self):
                def count(more):
                    return self.first + more
                if not __class__:
                    raise ValueError
                return count(2)
        """
    written(tmp_path, source)
    space: dict[str, Any] = {}
    exec(compile((tmp_path / "module.py").read_text(), "module.py", "exec"), space)  # noqa: S102  (ours)
    said = {}
    for fault in mutations(tmp_path, "module.py"):
        function = space["Counter"].nearly.fget
        assert isinstance(function, FunctionType)
        before, function.__code__ = function.__code__, mutated(tmp_path, fault)
        try:
            said[str(fault)] = space["Counter"]().nearly
        except ValueError:
            said[str(fault)] = "refused"
        function.__code__ = before
    assert said == {
        "module.py:8 return → return None": None,
        "module.py:8 Add → Sub": -1,
        "module.py:9 not → ": "refused",
        "module.py:10 no Raise": 3,
        "module.py:11 return → return None": None,
        "module.py:11 2 → 3": 4,
    }
