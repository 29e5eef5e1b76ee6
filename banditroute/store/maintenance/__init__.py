"""Commands for operators: set up, upgrade, verify, compact and diagnose a database."""
