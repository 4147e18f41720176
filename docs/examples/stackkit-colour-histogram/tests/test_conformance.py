"""All that stackkit relies on, one case for each promise."""

from stackkit.testing import conformance

test_conformance = conformance("stackkit_colour_histogram")
