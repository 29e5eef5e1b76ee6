"""What the process itself needs: forks, periodic threads, the fault barrier, disk syncs."""
