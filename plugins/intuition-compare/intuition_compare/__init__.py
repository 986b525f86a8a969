"""Variants of a composition side by side on the same events, on history or beside a session."""
