"""Everything that stackkit relies on, one case for each check."""

from stackkit.testing import conformance

test_conformance = conformance("stackkit_colour_histogram")
