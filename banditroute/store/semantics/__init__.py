"""Rules that every store applies to appended records; no SQL here."""
