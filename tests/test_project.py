"""Checks of the project as a whole."""

import ast
import importlib.metadata
import inspect
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import banditroute
from banditroute import errors

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "banditroute"
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "banditroute",
    "examples",
    "pyproject.toml",
    "simulations",
    "tests",
}
MACHINE_PATH = re.compile(r"(?<![\w.)}\]])/(?:work|tmp|home|root|Users)/|[A-Z]:\\Users\\")


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Return the paths of all files under version control, as git prints them."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("git does not answer here")
    return [path for path in listed.stdout.decode().split("\0") if path]


def test_the_top_level_is_exactly_this(tracked: list[str]) -> None:
    assert {path.split("/")[0] for path in tracked} == TOP_LEVEL


def test_no_file_of_the_package_is_long() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert lengths
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 400} == {}


def test_no_function_of_the_package_is_long() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": 1 + (node.end_lineno or 0) - node.lineno
        for path in PACKAGE.rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > 60} == {}


def test_no_file_contains_a_machine_path(tracked: list[str]) -> None:
    found = []
    for path in tracked:
        if not (ROOT / path).is_file():
            continue
        content = (ROOT / path).read_bytes()
        if b"\0" not in content and MACHINE_PATH.search(content.decode()):
            found.append(path)
    assert found == []


@pytest.mark.parametrize("path", ["/" + "home/me/x.db", "see /" + "tmp/x", '"/' + 'work/x"', "C:" + "\\Users\\me"])
def test_a_machine_path_would_be_found(path: str) -> None:
    assert MACHINE_PATH.search(path)


def test_only_tests_of_the_studies_import_them() -> None:
    """Tests can then be run, moved and read without the studies."""
    imports = re.compile(r"^\s*(?:from|import) simulations\b", re.MULTILINE)
    found = [path for path in (ROOT / "tests").rglob("*.py") if imports.search(path.read_text("utf-8"))]
    assert found
    assert [path for path in found if path.parent.name != "reliability" and not path.stem.endswith("_study")] == []


def test_the_version_is_stated_once() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert importlib.metadata.version("banditroute") == stated


def test_the_package_has_a_marker_for_types() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_test_command_of_the_readme_is_what_ci_runs() -> None:
    """``.ci/run`` reads the one line under the marker."""
    readme = (ROOT / "README.md").read_text("utf-8")
    found = re.findall(r"^<!-- test-command -->\n```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    command = found[0]
    assert command.count("\n") == 1
    assert command.rstrip().endswith("-m tests")
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    extraction = next(line for line in script.splitlines() if line.startswith("command="))
    answer = subprocess.run(
        ["bash", "-c", f'{extraction}; printf "%s\\n" "$command"'], cwd=ROOT, capture_output=True, check=True
    )
    assert answer.stdout.decode() == command


def public_members() -> Iterator[tuple[str, Any]]:
    """Yield every public name of ``banditroute``, and the public members of its classes."""
    for name in banditroute.__all__:
        thing = getattr(banditroute, name)
        yield name, thing
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                    yield f"{name}.{member}", value


def test_every_public_name_has_a_docstring() -> None:
    texts = {name: inspect.getdoc(thing) or "" for name, thing in public_members()}
    assert "Router.route" in texts
    # A dataclass without a docstring gets NAME(…) as one.
    assert [name for name, text in texts.items() if not text or text.startswith(f"{name}(")] == []


def drawn_tree() -> dict[str, tuple[str, str]]:
    """Return class → (parent, other base in parentheses or ''), from the tree in the docstring of ``errors``."""
    tree: dict[str, tuple[str, str]] = {}
    line_of_descent: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+Error)\b(?: \((\w+)\))?", line)
        if match:
            depth = len(match[1]) // 4
            del line_of_descent[depth:]
            tree[match[2]] = (line_of_descent[-1] if line_of_descent else "Exception", match[3] or "")
            line_of_descent.append(match[2])
    return tree


def test_the_tree_in_the_docstring_of_errors_is_correct() -> None:
    real = {}
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.BanditRouteError):
            parent, *others = (base.__name__ for base in error.__bases__)
            real[name] = (parent, "".join(others))
    assert drawn_tree() == real


def test_codes_of_errors_are_unique() -> None:
    """A program can distinguish two classes by ``code``."""
    classes = [error for name, error in vars(errors).items() if name.endswith("Error")]
    codes = [error.code for error in classes]
    assert len(set(codes)) == len(codes)
