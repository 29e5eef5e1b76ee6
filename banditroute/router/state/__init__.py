"""The state of a router, which is a fold of its log, and the recent part of the log."""
