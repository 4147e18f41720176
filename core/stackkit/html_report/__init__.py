"""Put a report together as one HTML file that needs no other file and no network."""

from stackkit.html_report.frame import frame
from stackkit.html_report.page import page

__all__ = ["frame", "page"]
