"""Plain frozen values, ids and the numeric grid, used by all other rooms."""
