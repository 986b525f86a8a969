"""Processes that run parts: started, watched, judged when they crash or hang, and their output told."""
