"""How fast a model runs on this machine, side by side with whatever else is installed."""
