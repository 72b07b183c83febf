"""Whether a data set in SA-1B's layout is as it must be: every rule has a name."""
