"""Exact money: amounts, instruments, costs, margin, the ledgers and the statement. Knows no order book and no part."""
