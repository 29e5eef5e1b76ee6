"""Local files in which records wait while the database is unavailable."""
