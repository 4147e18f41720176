"""Everything that stackkit relies on, as one test case per check."""

from stackkit.testing import conformance

test_conformance = conformance("stackkit_colour_histogram")
