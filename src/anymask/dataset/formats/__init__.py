"""Annotation formats of other tools: one file a format, read by content, written as streams."""
