"""A log in a SQL database: append, fold, read."""
