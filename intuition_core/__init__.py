"""Intuition: a trading system put together from parts that anyone can pip install."""
