"""Runs over recorded events as the command and programs in Python have them."""
