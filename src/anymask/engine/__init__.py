"""The data engine: who annotates what, and what has come of it."""
