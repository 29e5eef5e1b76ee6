"""What rows share: children that are killed, disks that fail, servers, and the table itself."""
