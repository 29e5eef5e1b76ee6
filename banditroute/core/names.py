"""One check for every name: of routers, arms, features, sources, sessions and cohorts.

A name is any text without control characters, line breaks, and marks that are invisible or change the direction of
writing. Spaces of every kind are allowed, and so are the joiners (U+200C, U+200D) that emoji and several scripts
need. Names are compared in Unicode's normal form C, so that the same text typed on two systems is one name.
"""

import unicodedata

from banditroute.core.shown import shown
from banditroute.errors import InvalidArgumentError

# Control, surrogate, unassigned, private use; line and paragraph separators; invisible format characters.
_REFUSED = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp", "Cf"})
_JOINERS = frozenset("\u200c\u200d")


def normal(text: str) -> str:
    """Return a name in the form in which it is stored and compared.

    >>> normal("mode\u0300le") == "mod\u00e8le"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_name(text: object, *, longest: int) -> bool:
    r"""Return whether a value is a text of at most ``longest`` characters, all of them allowed in names.

    >>> is_name("Team\u00a07", longest=10), is_name("two\nlines", longest=10)
    (True, False)
    """
    if not isinstance(text, str) or len(text) > longest:
        return False
    return text.isprintable() or all(
        unicodedata.category(character) not in _REFUSED or character in _JOINERS for character in text
    )


def checked_name(what: str, value: object, *, longest: int) -> str:
    """Return a name in its normal form.

    Raises:
        InvalidArgumentError: for anything that is not 1 to ``longest`` characters allowed in names.
    """
    if not isinstance(value, str) or not value or not is_name(value, longest=longest):
        raise InvalidArgumentError(f"{what} {shown(value, 80)} must be 1 to {longest} printable characters")
    return normal(value)
