"""Datasets: recorded events kept in a catalogue, as hive folders of Parquet that any tool reads."""
