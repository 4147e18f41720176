"""Fixtures that every test may ask for: real images, a home of its own, no thread left over."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image
from support.environments import OFFLINE, Shell, create_environment

REPOSITORY = Path(__file__).resolve().parent.parent

# Before NumPy is imported: the workers of pytest share the cores, and threads of BLAS that wait for one
# another took more time than the products of the tests' small matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

HOME = os.environ.get("STACKKIT_HOME")
"""The managed folder outside the tests, or None; it may have converted networks."""

LOAD_TENSORFLOW = ("cli/test_cli_run.py", "cli/test_cli_same_figures.py", "docs/", "plugins/")
"""Folders and files of tests that load it in the process of the tests."""

# No deadline, because machines are shared. `--hypothesis-profile thorough` searches longer.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of the host first, and those that load TensorFlow last.

    Some of the host's send signals to their own process, and a signal ended a process in which
    TensorFlow, OpenVINO and MNN had all been loaded by earlier tests. With TensorFlow's 3,000 modules
    each later load of a third-party plugin takes longer, and so does each garbage collection.
    """

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(REPOSITORY / "tests").as_posix()
        return -1 if path.startswith("host/") else path.startswith(LOAD_TENSORFLOW)

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository (or where STACKKIT_TEST_DATA says)."""
    folder = Path(os.environ.get("STACKKIT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared test data is absent: {folder} (set STACKKIT_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def cub_root(shared_data: Path) -> Path:
    """20 species of CUB-200-2011 in the official layout."""
    return shared_data / "CUB_200_2011"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with stackkit, made once for all tests that install plugins into it."""
    pytest.importorskip("hatchling", reason="hatchling, of the extra test, is not installed")
    environment = tmp_path_factory.mktemp("environment")
    create_environment(environment)
    Shell(environment, environment, home=environment).run(f"{OFFLINE} '{REPOSITORY}'")
    return environment


@pytest.fixture(autouse=True)
def ctrl_c() -> None:
    """Processes that tests start take Ctrl-C as in a terminal, also if the tests run behind one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A managed folder of this test's own, so that no test meets another one's features."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("STACKKIT_HOME", str(folder))
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it, and output would be cut to it
    return folder


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A managed folder for several tests of real networks, so that they extract the same features once.

    Networks that a run before the tests has converted are used: to import TensorFlow and to convert one
    takes longer than all the rest of such a test.
    """
    folder = tmp_path_factory.mktemp("shared-home")
    if HOME is not None and Path(HOME, "engines").is_dir():
        (folder / "engines").symlink_to(Path(HOME, "engines").resolve())
    return folder


@pytest.fixture(scope="session")
def bird_folder(cub_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image-folder of 3 species with 6 real photographs each, made small."""
    root = tmp_path_factory.mktemp("birds")
    for species in sorted((cub_root / "images").iterdir())[:3]:
        (root / species.name).mkdir()
        for photograph in sorted(species.iterdir())[:6]:
            with Image.open(photograph) as image:
                image.thumbnail((96, 96))
                image.convert("RGB").save(root / species.name / photograph.name)
    return root
