"""SQLite and PostgreSQL: connections, transactions, locks and time limits."""
