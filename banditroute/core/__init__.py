"""Words: plain frozen values, ids and the numeric grid; what all other rooms speak in."""
