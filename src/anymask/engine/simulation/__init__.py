"""People that never tire: the data engine run unattended, to test it and to study it."""
