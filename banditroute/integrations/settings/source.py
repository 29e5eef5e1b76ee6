"""Sources of settings: one file, and variables of the environment, which override it."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from banditroute.errors import InvalidArgumentError, MissingDependencyError

PREFIX = "BANDITROUTE_"
NOT_SETTINGS = frozenset({"BANDITROUTE_POSTGRES", "BANDITROUTE_SHARED", "BANDITROUTE_SPOOL"})
"""The first two variables belong to the test suite; the store reads the last one, for PostgreSQL only."""
TEXTS = frozenset({"default_arm", "name", "secret", "store", "tenant"})
"""These settings are texts, also if they begin like JSON."""


def read_file(path: Path) -> dict[str, Any]:
    """Read a ``.toml``, ``.yaml`` or ``.yml`` file.

    Raises:
        InvalidArgumentError: if it cannot be read, or is no table of settings.
        MissingDependencyError: for YAML, without the extra ``yaml``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"config {str(path)!r} cannot be read: {error}") from None
    match path.suffix.lower():
        case ".toml":
            found: Any = _toml(path, text)
        case ".yaml" | ".yml":
            found = _yaml(path, text)
        case suffix:
            raise InvalidArgumentError(f"config {str(path)!r} must end in .toml, .yaml or .yml, not in {suffix!r}")
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"config {str(path)!r} must hold keys and values, got {type(found).__name__}")
    return found


def _toml(path: Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"config {str(path)!r} is not valid TOML: {_line(error)}") from None


def _yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingDependencyError(
            f"config {str(path)!r} needs PyYAML: pip install 'banditroute[yaml]', or use TOML"
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Only the position: the text of the error quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise InvalidArgumentError(f"config {str(path)!r} is not valid YAML{where}; check its syntax") from None


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read ``BANDITROUTE_STORE``, ``BANDITROUTE_POLICY__ALPHA`` and the like: ``__`` leads into a table.

    A value that begins with ``[`` or ``{`` is JSON, but for settings that are texts, such as ``secret``. Names are
    not case-sensitive in the tables of settings; keys that the user chose, such as objectives in
    ``BANDITROUTE_PREFERENCES__QUALITY``, are read in lower case.

    Raises:
        InvalidArgumentError: for JSON that is damaged, or names that contradict one another.
    """
    found: dict[str, Any] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        *tables, key = variable.removeprefix(PREFIX).lower().split("__")
        table = found
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise InvalidArgumentError(f"{variable} sets a key of a value that another variable sets whole")
        text = environment[variable]
        table[key] = text if not tables and key in TEXTS else _value(variable, text)
    return found


def _value(variable: str, text: str) -> Any:
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        # The text may hold a password.
        raise InvalidArgumentError(f"{variable} is not valid JSON: {_line(error)}") from None


def variable_of(path: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return the variable that sets the key at ``path``, or None if no variable does."""
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            parts = variable.removeprefix(PREFIX).lower().split("__")
            if list(path[: len(parts)]) == parts:
                return variable
    return None


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, where values of ``above`` win key by key."""
    result = dict(below)
    for key, value in above.items():
        other = result.get(key)
        result[key] = merged(other, value) if isinstance(other, Mapping) and isinstance(value, Mapping) else value
    return result


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
