"""Recorded events from CSV, Parquet and JSON lines."""

from intuition_source_files.errors import AmbiguousColumn, BadRow, NoColumn, NoFile, UnreadableFile
from intuition_source_files.source import Csv, Json, JsonLines, Parquet

__all__ = ["AmbiguousColumn", "BadRow", "Csv", "Json", "JsonLines", "NoColumn", "NoFile", "Parquet", "UnreadableFile"]
