"""The command line: one file a command, each importing what it runs only when it runs."""
