"""Recorded prices from any database that SQLAlchemy or ADBC can reach."""

from intuition_source_sql.sql import Sql

__all__ = ["Sql"]
