"""Commands for operators: set up, verify, compact and diagnose a database."""
