"""Images are sorted into folders by copies or links, and no file is ever replaced."""

import errno
import os
import platform
from pathlib import Path
from unicodedata import normalize

import pytest

from stackkit.prediction.record import Prediction
from stackkit.prediction.sorting import Sorter, folder_names

CLASSES = ("crow", "a/b", "..")


def answer(label: str = "crow", *, accepted: bool = True, novel: bool = False) -> Prediction:
    return Prediction(
        source="",
        label=label,
        probability=0.9,
        accepted=accepted,
        top=(),
        votes=(),
        novelty=0,
        novel=novel,
    )


def written(path: Path, content: bytes = b"pixels") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def content(root: Path) -> dict[str, bytes]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.parametrize("how", ["copy", "link", "hardlink"])
def test_an_image_goes_to_its_class_and_a_clash_gets_a_number(tmp_path, how):
    first, other = written(tmp_path / "one/x.jpg", b"1"), written(tmp_path / "two/x.jpg", b"2")
    root = tmp_path / "out"
    foreign = written(root / "crow/x.jpg", b"of the user")
    sorter = Sorter(root=root, classes=CLASSES, how=how)
    for _ in range(2):  # a second run finds everything in its place
        found = [sorter.put(path, answer()).target.name for path in (first, other)]
        assert found == ["x-2.jpg", "x-3.jpg"]
    assert content(root) == {"crow/x.jpg": b"of the user", "crow/x-2.jpg": b"1", "crow/x-3.jpg": b"2"}
    copy = root / "crow/x-2.jpg"
    assert copy.is_symlink() == (how == "link")
    assert (copy.stat().st_ino == first.stat().st_ino) == (how != "copy")
    assert copy.stat().st_mtime == first.stat().st_mtime
    assert foreign.read_bytes() == b"of the user"
    assert first.read_bytes() == b"1", "originals stay"


def test_labels_that_are_not_accepted_and_novel_images_have_folders_of_their_own(tmp_path):
    path, sorter = written(tmp_path / "x.jpg"), Sorter(root=tmp_path / "out", classes=CLASSES)
    sorter.put(path, answer(accepted=False))
    sorter.put(path, answer(accepted=False, novel=True))
    sorter.put(path, answer("a/b"))
    sorter.put(path, answer(".."))
    names = ["_/x.jpg", "_novel/x.jpg", "_unsure/x.jpg", "a_b/x.jpg"]
    assert content(tmp_path / "out") == dict.fromkeys(names, b"pixels")


def test_folder_names_are_possible_everywhere_and_different():
    names = ["crow", "Crow", "a/b", "a\\b", "", ".", "..", "con", "LPT1.x", "end. ", "_novel", "_unsure"]
    names += ["x" * 300, "鳥" * 120, "a\nb", "\ud800", "tab\t"]
    names += ["M\u00f6we", "Mo\u0308we", "Ente"]  # one file name on macOS
    found = folder_names(names)
    assert len({normalize("NFD", name.casefold()) for name in found}) == len(names)
    assert found[0] == "crow"
    assert found[-1] == "Ente"
    for name in found:
        assert len(name.encode()) <= 210
        assert not set(name) & set('<>:"/\\|?*\n\t')
        assert name
        assert name[0] != "."
        assert name[-1] not in ". "
    assert not {"_novel", "_unsure", "con"} & set(found)


def test_a_dry_run_says_where_images_would_be_put_and_puts_none(tmp_path):
    paths = [written(tmp_path / f"{n}/x.jpg", bytes([n])) for n in range(3)]
    root = tmp_path / "out"
    written(root / "crow/x.jpg", bytes([1]))
    before = content(tmp_path)
    sorter = Sorter(root=root, classes=CLASSES, dry_run=True)
    found = [sorter.put(path, answer()) for path in paths]
    assert [each.target.name for each in found] == ["x-2.jpg", "x.jpg", "x-3.jpg"]
    assert [each.was_there for each in found] == [False, True, False]
    assert content(tmp_path) == before
    real = Sorter(root=root, classes=CLASSES)
    assert [real.put(path, answer()).target for path in paths] == [each.target for each in found]


def test_what_a_killed_process_has_left_is_removed_and_what_others_are_writing_stays(tmp_path):
    path, root = written(tmp_path / f"{'x' * 251}.jpg"), tmp_path / "out"
    Sorter(root=root, classes=CLASSES).put(path, answer())
    machine = f".stackkit-{platform.node()}-"
    for name in (f"{machine}4194999", f"{machine}{os.getpid()}", ".stackkit-elsewhere-4194999"):
        written(root / "crow" / name)
    Sorter(root=root, classes=CLASSES).put(written(tmp_path / "y.jpg"), answer())
    left = sorted(each.name for each in (root / "crow").iterdir())
    assert left == [".stackkit-elsewhere-4194999", path.name, "y.jpg"]


def test_a_copy_is_whole_or_absent_also_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path, root = written(tmp_path / "x.jpg"), tmp_path / "out"
    sorter = Sorter(root=root, classes=CLASSES)
    sorter.put(path, answer())
    assert content(root) == {"crow/x.jpg": b"pixels"}
    with pytest.raises(FileNotFoundError):
        sorter.put(tmp_path / "gone.jpg", answer())
    assert [each.name for each in (root / "crow").iterdir()] == ["x.jpg"], (
        "nothing is left of the one that failed"
    )


def test_a_copy_writes_through_no_link_that_has_its_temporary_name(tmp_path):
    path, other = written(tmp_path / "x.jpg"), written(tmp_path / "other", b"of the user")
    root = tmp_path / "out"
    (root / "crow").mkdir(parents=True)
    (root / f"crow/.stackkit-{platform.node()}-{os.getpid()}").symlink_to(other)
    Sorter(root=root, classes=CLASSES).put(path, answer())
    assert content(root) == {"crow/x.jpg": b"pixels"}
    assert other.read_bytes() == b"of the user"


def test_hard_links_that_are_not_possible_say_what_to_use(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    sorter = Sorter(root=tmp_path / "out", classes=CLASSES, how="hardlink")
    with pytest.raises(OSError, match="use --how copy or --how link"):
        sorter.put(written(tmp_path / "x.jpg"), answer())
