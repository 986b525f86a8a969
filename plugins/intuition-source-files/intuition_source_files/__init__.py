"""Recorded prices from CSV and Parquet files."""

from intuition_source_files.errors import AmbiguousColumn, BadRow, NoColumn, NoFile, UnreadableFile
from intuition_source_files.source import Csv, Parquet

__all__ = ["AmbiguousColumn", "BadRow", "Csv", "NoColumn", "NoFile", "Parquet", "UnreadableFile"]
