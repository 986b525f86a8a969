"""A session as a process: the methods that are called over RPC, and reloads."""
