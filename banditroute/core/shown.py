"""Values in messages: short, on one line, whatever their own ``repr`` does."""


def shown(value: object, longest: int = 60) -> str:
    """Return the ``repr`` of a value, cut to ``longest`` characters; its type, if the ``repr`` raises.

    >>> shown("a long text", 6), shown(10**5000)
    ("'a lon", '<int>')
    """
    try:
        return repr(value)[:longest]
    except Exception:  # noqa: BLE001  (a repr of someone else's, or an integer of more than 4,300 digits)
        return f"<{type(value).__name__}>"
