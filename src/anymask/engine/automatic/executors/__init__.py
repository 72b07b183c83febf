"""Where the workers are: processes of this machine, or actors of a Ray cluster."""
