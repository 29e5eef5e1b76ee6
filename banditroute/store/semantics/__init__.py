"""The meaning of appended records: without SQL, the same for every store."""
