"""Runtime support: forks, periodic threads, the fault barrier, disk syncs."""
