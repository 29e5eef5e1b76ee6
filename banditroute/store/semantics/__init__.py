"""What appended records mean; without SQL, and the same for every store."""
