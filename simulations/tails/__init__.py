"""The slowest requests: processor time and waiting of ``route``, locks, garbage collection, and an event loop."""
