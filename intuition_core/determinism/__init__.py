"""What makes each run the same: one hash seed, saved random generators, and a process that parts cannot change."""
