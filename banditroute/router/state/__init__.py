"""What a router knows at one moment, all of it a fold of the log; and the recent part of the log itself."""
