"""What the data engine remembers: a database of people, images and masks, and a place for files."""
