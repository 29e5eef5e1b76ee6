"""The package, the examples and the top-level pages contain no banned word of ``CONTRIBUTING.md``."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
MARKER = "<!-- banned -->"


def banned_words() -> list[str]:
    """Read the banned words from the marked line of ``CONTRIBUTING.md``."""
    (line,) = (line for line in CONTRIBUTING.read_text("utf-8").splitlines() if MARKER in line)
    assert "banned" in line.replace(MARKER, "").lower()
    words = line.replace(MARKER, "").partition(":")[2]
    return [word.strip(" .") for word in words.split(",")]


def found_in(text: str, words: Sequence[str]) -> list[str]:
    """Return every banned word of a text, as ``line number: word``; the marked line is skipped."""
    # A line break may divide two words of an entry, also in a comment.
    choices = "|".join(re.escape(word).replace(r"\ ", r"[\s#]+") for word in words)
    pattern = re.compile(rf"\b(?:{choices})\b", re.IGNORECASE)
    kept = "\n".join("" if MARKER in line else line for line in text.splitlines())
    return [f"{kept.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in pattern.finditer(kept)]


def checked_files() -> list[Path]:
    """Return all files that must not contain a banned word."""
    sources = [path for room in ("banditroute", "examples") for path in sorted((ROOT / room).rglob("*.py"))]
    return [ROOT / "README.md", CONTRIBUTING, *sources]


def test_no_file_contains_a_banned_word() -> None:
    words = banned_words()
    found = [
        f"{path.relative_to(ROOT)}:{each}"
        for path in checked_files()
        for each in found_in(path.read_text("utf-8"), words)
    ]
    assert found == []


def test_the_list_and_the_files_are_found() -> None:
    assert {"anew", "for ever", "lived"} <= set(banned_words())
    assert len(checked_files()) > 100


@pytest.mark.parametrize(
    "text", ["Nobody waits.", "it stays for\n    # ever", "# Anew, then", "the dearer arm", "LIVED = 12"]
)
def test_control_a_banned_word_is_found(text: str) -> None:
    assert len(found_in(text, banned_words())) == 1


@pytest.mark.parametrize("text", ["relived", "_heir", "a deadline", "forever", f"anew {MARKER}", "an inheritance"])
def test_control_other_words_are_not_found(text: str) -> None:
    assert found_in(text, banned_words()) == []


def named_paths() -> list[str]:
    """Return the paths between backticks in ``CONTRIBUTING.md``, without those of files to be written."""
    quoted = re.findall(r"`([\w./]+)`", CONTRIBUTING.read_text("utf-8"))
    return [path for path in quoted if path.startswith(("banditroute/", "tests/")) and "NAME" not in path]


def test_paths_in_contributing_exist() -> None:
    assert len(named_paths()) > 20
    assert [path for path in named_paths() if not (ROOT / path).exists()] == []
