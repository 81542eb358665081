"""Reporting: a result's tables, figures and HTML page."""

from confemb.reporting.result import Examples, Result
from confemb.reporting.write import write_report

__all__ = ["Examples", "Result", "write_report"]
