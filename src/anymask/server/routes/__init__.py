"""One file a kind of thing that the API knows."""
