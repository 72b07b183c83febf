"""Values and pure functions on numpy and Pillow; nothing here knows torch."""
