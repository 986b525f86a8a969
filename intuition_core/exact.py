"""Exact arithmetic for parts: sums that are the same on each Python, and decimals as people write them."""

from intuition_core.account.amounts import EXACT, added, plain_decimal

__all__ = ["EXACT", "added", "plain_decimal"]
