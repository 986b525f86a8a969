"""Real recorded stock prices that need no network."""

from intuition_source_sample.sample import Sample

__all__ = ["Sample"]
