"""Words that no user should have to look up: the list is in CONTRIBUTING.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = ["README.md", "CONTRIBUTING.md"]


def banned() -> re.Pattern[str]:
    """A pattern of the banned words, as CONTRIBUTING.md lists them."""
    (line,) = re.findall(
        r"^<!-- banned -->\n.*: (.*)\.$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE
    )
    words = line.split(", ")
    assert len(words) > 5
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)


def found(text: str) -> list[str]:
    """The lines that hold a banned word, but for the list itself."""
    return [line for line in text.splitlines() if banned().search(line) and "banned" not in line]


@pytest.mark.parametrize("room", ["banditroute", "examples", *TEXTS])
def test_no_banned_word_is_used(room: str) -> None:
    place = ROOT / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    assert files
    used = {str(file.relative_to(ROOT)): found(file.read_text("utf-8")) for file in files}
    assert {path: lines for path, lines in used.items() if lines} == {}


@pytest.mark.parametrize("line", ["It is kept for ever.", "Nobody waits", "the dearest arm"])
def test_control_a_banned_word_is_found(line: str) -> None:
    assert found(line) == [line]


def test_words_that_only_contain_one_are_not_found() -> None:
    assert found("Relive the clearest test of endearing chests: whosoever") == []
