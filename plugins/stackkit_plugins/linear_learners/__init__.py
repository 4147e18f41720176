"""What the linear learners share: normalisation, and rows held out of training."""

from stackkit.api import Option

NORMALISE = Option(
    name="normalise",
    default="none",
    choices=("none", "standardise", "l2", "power"),
    help="standardise: columns to mean 0, variance 1; l2: rows to length 1; power: signed roots, l2",
)
"""Listing a plugin needs this, so nothing heavy is imported here."""
