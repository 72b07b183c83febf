"""Numbers that compare masks with the truth, and their uncertainty."""
