"""Data on disk: labelled folders, without torch."""
