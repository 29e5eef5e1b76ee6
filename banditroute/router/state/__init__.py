"""The state of a router, a fold of the log; and the recent part of the log itself."""
