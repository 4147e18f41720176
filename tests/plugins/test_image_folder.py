"""Folders of images as users have them: nested, untidy, linked, split, or missing."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.conformance import broken
from support.making import create

from stackkit.api import DatasetError, ImageError, UsageError
from stackkit_plugins import image_folder


def test_it_passes_all_checks(bird_folder):
    assert broken("image-folder", f"image-folder:root={bird_folder}") == {}


def test_with_splits_it_passes_all_checks_and_each_split_has_a_third(bird_folder, tmp_path):
    for species in bird_folder.iterdir():
        for number, photograph in enumerate(sorted(species.iterdir())):
            place = tmp_path / "root" / ("train", "val", "test")[number % 3] / species.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(photograph, place)
    assert broken("image-folder", f"image-folder:root={tmp_path / 'root'}") == {}
    dataset = make(tmp_path / "root")
    assert [sample.split for sample in dataset.samples] == ["test"] * 6 + ["train"] * 6 + ["val"] * 6
    assert len(dataset.classes) == 3
    assert not dataset.notes


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with spaces in its name and the classes cat and dog, two images each."""
    folder = tmp_path / "my images"
    put(folder, "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
    return folder


def put(folder: Path, *paths: str) -> None:
    """Write small images, or empty files if the extension is not that of an image."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() in (".jpg", ".png"):
            Image.new("RGB", (3, 2), (len(path), 0, 0)).save(file)
        else:
            file.touch()


def ids(dataset) -> list[str]:
    return [sample.id for sample in dataset.samples]


def make(root: Path, **options):
    return create(image_folder, root=str(root), **options)


class TestReading:
    def test_ids_are_sorted_relative_paths_and_classes_are_sorted_names(self, root):
        put(root, "ant/9.png")
        dataset = make(root)
        assert ids(dataset) == ["ant/9.png", "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
        assert list(dataset.classes) == ["ant", "cat", "dog"]
        assert [sample.label for sample in dataset.samples] == [0, 1, 1, 2, 2]
        assert {sample.split for sample in dataset.samples} == {None}

    def test_a_root_relative_to_home_or_the_current_folder_stays_valid(self, root, monkeypatch):
        monkeypatch.chdir(root.parent)
        dataset = create(image_folder, root=root.name)
        monkeypatch.chdir("/")
        assert dataset.image(0).size == (3, 2)
        monkeypatch.setenv("HOME", str(root.parent))
        assert ids(create(image_folder, root=f"~/{root.name}")) == ids(dataset)

    def test_extensions_are_recognised_in_any_case(self, root):
        put(root, "cat/3.JPG", "cat/4.Png")
        assert {"cat/3.JPG", "cat/4.Png"} <= set(ids(make(root)))

    def test_nested_folders_belong_to_their_class(self, root):
        put(root, "cat/indoors/night/3.png")
        assert "cat/indoors/night/3.png" in ids(make(root))
        assert list(make(root).classes) == ["cat", "dog"]

    def test_a_changed_file_changes_only_its_own_fingerprint(self, root):
        before = [make(root).fingerprint(i) for i in range(4)]
        Image.new("RGB", (3, 2), "white").save(root / "dog" / "1.png")
        after = [make(root).fingerprint(i) for i in range(4)]
        assert [one == other for one, other in zip(before, after, strict=True)] == [
            True,
            True,
            False,
            True,
        ]

    def test_an_image_that_was_deleted_is_missing(self, root):
        dataset = make(root)
        (root / "cat" / "1.png").unlink()
        with pytest.raises(ImageError, match="the file is missing"):
            dataset.image(0)
        with pytest.raises(FileNotFoundError):
            dataset.fingerprint(0)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y/z", "é ü"]), st.integers(0, 3)),
            min_size=1,
            unique=True,
        )
    )
    def test_in_any_tree_each_image_is_listed_once_under_its_class(self, tmp_path_factory, tree):
        root = tmp_path_factory.mktemp("tree")
        paths = {f"{name}/{below}/{number}.png" for name, below, number in tree} | {"y/1.png", "z/1.png"}
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        dataset = make(root)
        assert ids(dataset) == sorted(paths)
        for sample in dataset.samples:
            assert dataset.classes[sample.label] == sample.id.partition("/")[0]


class TestIgnoredFiles:
    def test_other_files_are_counted_with_examples(self, root):
        put(root, "cat/notes.txt", "cat/Thumbs.db", "dog/a.mp4", "dog/z.xmp", "README.md")
        assert make(root).notes == (
            "ignored: files outside any class folder: 1 (for example README.md)",
            "ignored: files without an image extension: 4 "
            "(for example cat/Thumbs.db, cat/notes.txt, dog/a.mp4)",
        )
        assert len(ids(make(root))) == 4

    def test_hidden_files_and_folders_are_counted(self, root):
        put(root, ".DS_Store", "cat/._1.png", ".ipynb_checkpoints/1.png", "dog/.thumbs/1.png")
        (note,) = make(root).notes
        assert note.startswith("ignored: hidden files and folders: 4 (for example .DS_Store, ")
        assert len(ids(make(root))) == 4

    def test_a_class_folder_without_images_is_not_a_class_but_noted(self, root):
        (root / "empty").mkdir()
        put(root, "texts/a.txt")
        dataset = make(root)
        assert list(dataset.classes) == ["cat", "dog"]
        assert dataset.notes[0] == "ignored: class folders without images: 2 (for example empty, texts)"

    def test_a_tidy_folder_has_no_notes(self, root):
        assert make(root).notes == ()

    def test_a_link_back_into_the_root_is_not_followed(self, root):
        (root / "cat" / "loop").symlink_to(root)
        (root / "cat" / "up").symlink_to(root.parent)
        (root / "itself").symlink_to(root / "itself")
        dataset = make(root)
        assert ids(dataset) == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
        note = "ignored: links to folders that are already included: 2 (for example cat/loop, cat/up)"
        assert note in dataset.notes

    def test_no_image_is_in_two_classes_because_of_a_link(self, root):
        (root / "animal").symlink_to(root / "cat")
        assert list(make(root).classes) == ["cat", "dog"]
        assert len(ids(make(root))) == 4

    def test_a_link_to_a_folder_elsewhere_is_followed_once(self, root, tmp_path):
        put(tmp_path / "elsewhere", "1.png", "2.png")
        (root / "bird").symlink_to(tmp_path / "elsewhere")
        (root / "crow").symlink_to(tmp_path / "elsewhere")
        dataset = make(root)
        assert list(dataset.classes) == ["bird", "cat", "dog"]
        assert ids(dataset)[:2] == ["bird/1.png", "bird/2.png"]
        assert dataset.image(0).size == (3, 2)

    def test_a_linked_image_is_read_and_a_broken_link_ignored(self, root, tmp_path):
        put(tmp_path, "far.png")
        (root / "cat" / "3.png").symlink_to(tmp_path / "far.png")
        (root / "cat" / "4.png").symlink_to(tmp_path / "nowhere.png")
        (root / "cat" / "5.png").symlink_to("5.png")
        dataset = make(root)
        assert ids(dataset)[:3] == ["cat/1.png", "cat/2.png", "cat/3.png"]
        assert dataset.notes == (
            "ignored: broken links and special files: 2 (for example cat/4.png, cat/5.png)",
        )

    def test_a_pipe_named_like_an_image_does_not_hang(self, root):
        os.mkfifo(root / "cat" / "3.png")
        assert len(ids(make(root))) == 4

    def test_undecodable_names_are_ignored_and_shown_escaped(self, root):
        try:
            (root / "cat" / os.fsdecode(b"caf\xe9.png")).touch()
        except OSError:
            pytest.skip("this file system accepts only UTF-8 names")
        (root / "cat" / "two\nlines.png").touch()
        dataset = make(root)
        assert len(ids(dataset)) == 4
        assert dataset.notes == (
            r"ignored: names that are not one line of UTF-8 text: 2 "
            r"(for example cat/caf\udce9.png, cat/two\nlines.png)",
        )


class TestSplits:
    @pytest.mark.parametrize(
        ("folder", "split"), [("val", "val"), ("valid", "val"), ("validation", "val"), ("test", "test")]
    )
    def test_train_beside_another_split_is_recognised(self, tmp_path, folder, split):
        put(tmp_path, "train/cat/1.png", "train/dog/1.png", f"{folder}/cat/2.png", f"{folder}/dog/2.png")
        dataset = make(tmp_path)
        assert list(dataset.classes) == ["cat", "dog"]
        found = {sample.id.partition("/")[0]: sample.split for sample in dataset.samples}
        assert found == {"train": "train", folder: split}

    def test_splits_are_recognised_in_any_case(self, tmp_path):
        put(tmp_path, "Train/cat/1.png", "Train/dog/1.png", "TEST/cat/1.png")
        assert {sample.split for sample in make(tmp_path).samples} == {"train", "test"}

    def test_a_class_in_only_one_split_is_a_class_and_noted(self, tmp_path):
        put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dog/1.png", "test/emu/1.png")
        dataset = make(tmp_path)
        assert list(dataset.classes) == ["cat", "dog", "emu"]
        assert dataset.notes == (
            "classes without images in test: 1 (for example cat)",
            "classes without images in train: 1 (for example emu)",
        )

    @pytest.mark.parametrize("other", ["bus", "val"])
    def test_without_a_train_folder_or_beside_a_class_folders_are_classes(self, tmp_path, other):
        put(tmp_path, "test/1.png", f"{other}/2.png", "test/a/1.png", f"{other}/a/2.png")
        dataset = make(tmp_path)
        assert sorted(dataset.classes) == sorted(["test", other])
        assert {sample.split for sample in dataset.samples} == {None}

    def test_train_beside_bus_is_a_class(self, tmp_path):
        put(tmp_path, "train/1.png", "bus/1.png")
        assert list(make(tmp_path).classes) == ["bus", "train"]

    def test_images_without_a_class_in_a_split_are_noted(self, tmp_path):
        put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/1.png", "test/2.png")
        dataset = make(tmp_path)
        assert {sample.split for sample in dataset.samples} == {"train"}
        assert dataset.notes == (
            "ignored: files outside any class folder: 2 (for example test/1.png, test/2.png)",
        )

    def test_a_limit_takes_from_each_split_in_turn(self, tmp_path):
        names = [
            f"{split}/{name}/{i}.png" for split in ("train", "test") for name in "ab" for i in "123"
        ]
        put(tmp_path, *names)
        assert ids(make(tmp_path, limit=2)) == [
            "test/a/1.png",
            "test/b/1.png",
            "train/a/1.png",
            "train/b/1.png",
        ]


class TestRefusals:
    @pytest.mark.parametrize("root", [None, ""])
    def test_a_root_is_required(self, root):
        with pytest.raises(UsageError, match=r"root= is required, for example image-folder:root="):
            create(image_folder, root=root)

    @pytest.mark.parametrize(
        ("files", "point_at", "message"),
        [
            ([], "gone", "gone does not exist; point root= to a folder with one folder per class"),
            (["a.txt"], "a.txt", "a.txt is a file; point root= to a folder with one folder per class"),
            ([], "", "has no class folders; expected one folder per class, optionally in train/"),
            (["1.png", "2.png"], "", "no class folders; .*ignored: files outside any class folder: 2"),
            (
                ["a/x.txt", "b/y.txt"],
                "",
                r"no images; .*\.bmp, .*; ignored: files without an image extension: 2",
            ),
            (["a/x.png", "a/y.png", "b/y.txt"], "", r"only one class \(a\), expected at least two"),
            (["train/a/x.png", "train/b/x.png"], "", r"only one class \(train\), expected at least two"),
            (
                ["train/1.png", "test/a/1.png"],
                "",
                "train has no class folders; expected one folder per class",
            ),
        ],
    )
    def test_an_unusable_folder_is_refused_in_one_line(self, tmp_path, files, point_at, message):
        put(tmp_path, *files)
        with pytest.raises(DatasetError, match=message) as caught:
            make(tmp_path / point_at)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_an_unreadable_folder_is_named(self, root):
        (root / "dog").chmod(0)
        with pytest.raises(DatasetError, match=r"dog.*check its permissions"):
            make(root)
