"""Run all checks of stackkit."""

from stackkit.testing import conformance

test_conformance = conformance("stackkit_ray", options={"ray": {"workers": 2}})
