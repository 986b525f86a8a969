"""Figures of a run over recorded events, and a report of it as one HTML file."""

from intuition_report.html import Html

__all__ = ["Html"]
