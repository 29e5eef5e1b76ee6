"""Where a router is embedded: configuration from files and the environment; adapters to other libraries follow."""
