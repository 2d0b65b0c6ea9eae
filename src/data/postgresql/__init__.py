"""How the journal is read from PostgreSQL: one transaction, its SQL, and going on from earlier."""
