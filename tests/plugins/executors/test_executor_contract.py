"""All executors do what core relies on: the checks of the kit, as third-party executors are tested."""

import pytest

from stackkit.testing import conformance

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")

test_local = conformance("stackkit_plugins.local")
test_processes = conformance("stackkit_plugins.processes", options={"processes": {"workers": 2}})
test_dask = conformance("stackkit_plugins.dask_cluster", options={"dask": {"workers": 2}})
