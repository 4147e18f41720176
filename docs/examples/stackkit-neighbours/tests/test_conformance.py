"""What stackkit relies on."""

from stackkit.testing import conformance

test_conformance = conformance("stackkit_neighbours")
