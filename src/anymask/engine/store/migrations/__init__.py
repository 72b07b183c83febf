"""How the database's tables became what they are; run when the database is opened."""
