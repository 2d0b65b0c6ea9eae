"""People who are forgotten: who they are, what was theirs, and which models have seen it."""
