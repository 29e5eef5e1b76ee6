"""Tables, schema version and migrations."""
