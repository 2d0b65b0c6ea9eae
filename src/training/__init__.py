"""How models are made: one file per family, found by scanning."""
