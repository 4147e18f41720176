"""Folders of images as users have them: nested, untidy, linked, split, or missing."""

import os
import shutil
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.conformance import broken
from support.making import create

from stackkit.api import DatasetError, ImageError, UsageError, file_fingerprint
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


SPLITS = ["train/cat/1.png", "train/dog/1.png", "test/cat/2.png", "test/dog/2.png"]

DOUBTFUL = [
    (
        ["first/cat/1.png", "first/dog/1.png", "second/cat/1.png", "second/dog/1.png"],
        "has the same subfolders in first/ and second/ (cat, dog)",
    ),
    (  # as some archives of Kaggle are unpacked
        [f"seg_{part}/seg_{part}/{name}/1.png" for part in ("test", "train") for name in ("bus", "car")],
        "has the same subfolders in seg_test/ and seg_train/ (bus, car)",
    ),
    (
        [*SPLITS, "unlabelled/1.png"],
        "has the same subfolders in test/ and train/ (cat, dog)",
    ),
    (
        ["cat/train/1.png", "cat/test/1.png", "dog/train/1.png", "dog/test/1.png"],
        "has the same subfolders in cat/ and dog/ (test, train)",
    ),
    (
        ["cat/1.png", "dog/1.png", "train/cat/1.png"],
        "has folders of the same name in train/ and beside it (cat)",
    ),
    (
        ["train/cat/1.png", "train/dog/1.png", "unlabelled/1.png"],
        "has train/, named like a split and with subfolders like classes (cat, dog), beside unlabelled/",
    ),
    (
        ["test/cat/1.png", "val/cat/1.png"],
        "has only folders that are named like splits, test/, val/, but none for training",
    ),
    (
        ["images/1.png", "masks/1.png"],
        "has images/, masks/, which look like images and their annotations",
    ),
    (
        ["train/img/1.png", "train/label/1.png", "val/img/2.png", "val/label/2.png"],
        "has train/img/, train/label/, which look like images and their annotations",
    ),
    (
        [*SPLITS, "eval/cat/1.png"],
        "has two folders for the split test, eval/, test/",
    ),
    (
        ["train/train/cat/1.png", "train/train/dog/1.png", "test/test/cat/1.png"],
        "has only test/test/ in test/, which is no class",
    ),
    (
        [f"{part}/{day}/{name}/1.png" for part in ("test", "train") for day in "12" for name in "ab"],
        "has the same subfolders in test/1/ and test/2/ (a, b)",
    ),
]
"""Files, and what is wrong with their folders."""


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
        dataset = make(root, layout="classes")
        assert ids(dataset) == sorted(paths)
        for sample in dataset.samples:
            assert dataset.classes[sample.label] == sample.id.partition("/")[0]


class TestIgnoredFiles:
    def test_other_files_are_counted_with_examples(self, root):
        put(root, "cat/notes.txt", "cat/Thumbs.db", "dog/a.mp4", "dog/z.xmp", "README.md")
        assert make(root).notes == (
            "ignored: files outside any class folder: 1 (for example README.md)",
            "ignored: files without an image extension: 3 "
            "(for example cat/notes.txt, dog/a.mp4, dog/z.xmp)",
            "ignored: housekeeping of NAS, Windows or macOS: 1 (for example cat/Thumbs.db)",
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
    def test_train_beside_another_split_is_recognised(self, tmp_path):
        names = {
            "val": ["val", "valid", "Validation", "dev", "validation-set"],
            "test": ["test", "Testing", "EVAL", "evaluation", "Test Images", "test_set", "testset"],
        }
        for split, folders in names.items():
            for folder in folders:
                root = tmp_path / f"with {folder}"
                put(root, "train/cat/1.png", "train/dog/1.png", f"{folder}/cat/2.png")
                dataset = make(root)
                assert list(dataset.classes) == ["cat", "dog"]
                found = {sample.id.partition("/")[0]: sample.split for sample in dataset.samples}
                assert found == {"train": "train", folder: split}

    @pytest.mark.parametrize("train", ["Train", "training", "TRAIN_SET"])
    def test_the_training_part_is_recognised(self, tmp_path, train):
        put(tmp_path, f"{train}/cat/1.png", f"{train}/dog/1.png", "TEST/cat/1.png")
        assert {sample.split for sample in make(tmp_path).samples} == {"train", "test"}

    def test_splits_are_recognised_beside_housekeeping_and_folders_without_images(self, tmp_path):
        put(tmp_path, *SPLITS, "__MACOSX/train/cat/._1.png", "@eaDir/train/1.png", "lost+found/2.png")
        put(tmp_path, "annotations/train.json", "$RECYCLE.BIN/cat/1.png")
        dataset = make(tmp_path)
        assert ids(dataset) == sorted(SPLITS)
        assert {sample.split for sample in dataset.samples} == {"train", "test"}
        assert dataset.notes == (
            "ignored: folders beside the splits: 1 (for example annotations)",
            "ignored: housekeeping of NAS, Windows or macOS: 4 "
            "(for example $RECYCLE.BIN, @eaDir, __MACOSX)",
        )

    def test_layout_says_what_the_folders_are(self, tmp_path):
        put(tmp_path, *SPLITS, "unlabelled/1.png")
        dataset = make(tmp_path, layout="splits")
        assert ids(dataset) == sorted(SPLITS)
        assert dataset.notes == ("ignored: folders beside the splits: 1 (for example unlabelled)",)
        dataset = make(tmp_path, layout="classes")
        assert list(dataset.classes) == ["test", "train", "unlabelled"]
        assert {sample.split for sample in dataset.samples} == {None}

    @pytest.mark.parametrize(
        "files",
        [
            ["train/1.png", "bus/1.png"],
            ["train/1.png", "bus/1.png", "test/1.png", "test/a/1.png", "bus/a/1.png"],
            ["train/steam/1.png", "train/diesel/1.png", "bus/old/1.png", "bus/new/1.png"],
            ["cat/images/1.png", "dog/images/1.png", "emu/images/1.png"],
            ["cat/cat/1.png", "dog/dog/1.png"],
            ["images/1.png", "prints/2.png"],
        ],
    )
    def test_these_folders_are_classes(self, tmp_path, files):
        put(tmp_path, *files)
        dataset = make(tmp_path)
        assert ids(dataset) == sorted(files)
        assert list(dataset.classes) == sorted({file.partition("/")[0] for file in files})
        assert {sample.split for sample in dataset.samples} == {None}

    def test_a_class_in_only_one_split_is_a_class_and_noted(self, tmp_path):
        put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dog/1.png", "test/emu/1.png")
        dataset = make(tmp_path)
        assert list(dataset.classes) == ["cat", "dog", "emu"]
        assert dataset.notes == (
            "classes without images in test: 1 (for example cat)",
            "classes without images in train: 1 (for example emu)",
        )

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
            (
                ["train/1.png", "test/a/1.png"],
                "",
                "has no class folders in train/; expected one folder per class",
            ),
        ],
    )
    def test_an_unusable_folder_is_refused_in_one_line(self, tmp_path, files, point_at, message):
        put(tmp_path, *files)
        with pytest.raises(DatasetError, match=message) as caught:
            make(tmp_path / point_at)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)

    @pytest.mark.parametrize(("files", "found"), DOUBTFUL)
    def test_a_layout_that_could_be_read_in_two_ways_is_refused_with_what_to_do(
        self, tmp_path, files, found
    ):
        put(tmp_path, *files)
        with pytest.raises(DatasetError) as caught:
            make(tmp_path)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path} {found}; ")
        assert "\n" not in message
        if "layout=classes" in message:
            assert len(make(tmp_path, layout="classes").samples) == len(files)

    def test_splits_without_a_known_name_are_refused(self, root):
        with pytest.raises(DatasetError, match="no folder named like a split, only cat/, dog/; name"):
            make(root, layout="splits")


@pytest.fixture
def public_root():
    """A folder with the classes cat and dog that every user may read."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        put(Path(name), "cat/1.png", "dog/1.png")
        yield Path(name)


@contextmanager
def unreadable(*folders: Path):
    """Make folders unreadable, also for root, who becomes another user for a moment."""
    for folder in folders:
        folder.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        for folder in folders:
            folder.chmod(0o755)


class TestUnreadableFolders:
    def test_an_unreadable_root_is_named(self, public_root):
        with (
            unreadable(public_root),
            pytest.raises(DatasetError, match=r"cannot be listed .*its permissions"),
        ):
            make(public_root)

    def test_they_are_left_out_with_a_note(self, public_root):
        put(public_root, "emu/1.png", "cat/locked/3.png")
        with unreadable(public_root / "cat" / "locked", public_root / "emu"):
            dataset = make(public_root)
            assert ids(dataset) == ["cat/1.png", "dog/1.png"]
            assert dataset.image(0).size == (3, 2)
        assert dataset.notes == (
            "ignored: class folders without images: 1 (for example emu)",
            "ignored: folders that cannot be read: 2 (for example cat/locked, emu)",
        )

    def test_folders_nested_deeper_than_the_system_allows_are_left_out(self, root):
        here, name = os.open(root / "cat", os.O_RDONLY), "d" * 250
        for _ in range(20):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        dataset = make(root)
        assert len(ids(dataset)) == 4
        (note,) = dataset.notes
        assert note.startswith("ignored: folders that cannot be read: 1 (for example cat/ddd")


class TestHousekeeping:
    def test_thumbnails_of_a_nas_do_not_become_images_at_any_level(self, root):
        thumbs = [f"@eaDir/{name}.png/SYNOPHOTO_THUMB_{size}.jpg" for name in "12" for size in "MX"]
        put(root, *(f"{place}{path}" for place in ("", "cat/", "dog/far/") for path in thumbs))
        put(root, "dog/SYNOPHOTO_THUMB_XL.jpg", "cat/.@__thumb/1.png", "cat/thumbs/1.png")
        put(
            root,
            "#recycle/1.png",
            "System Volume Information/1.png",
            "found.000/1.png",
            "cat/ehthumbs.db",
        )
        dataset = make(root)
        assert ids(dataset) == ["cat/1.png", "cat/2.png", "cat/thumbs/1.png", "dog/1.png", "dog/2.png"]
        hidden, housekeeping = dataset.notes
        assert hidden == "ignored: hidden files and folders: 1 (for example cat/.@__thumb)"
        assert housekeeping.startswith("ignored: housekeeping of NAS, Windows or macOS: 8 (for example ")


class TestUnicodeForms:
    def test_names_in_both_forms_are_one_name(self, tmp_path):
        composed, split = (unicodedata.normalize(form, "Möwe/Küste é.png") for form in ("NFC", "NFD"))
        mac, linux = tmp_path / "mac", tmp_path / "linux"
        put(mac, split, "Ant/1.png")
        put(linux, composed, "Ant/1.png")
        assert ids(make(mac)) == ids(make(linux)) == ["Ant/1.png", composed]
        assert make(mac).classes == make(linux).classes == ("Ant", "Möwe")
        assert make(mac).image(1).size == (3, 2)
        assert make(mac).fingerprint(0) == make(linux).fingerprint(0)

    def test_class_folders_in_both_forms_are_one_class_and_files_are_read_once(self, tmp_path):
        composed, split = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
        put(tmp_path, f"{composed}/1.png", f"{split}/1.png", f"{split}/22.png", "ant/1.png")
        if len(list(tmp_path.iterdir())) == 2:
            pytest.skip("on this file system both forms are one name")
        dataset = make(tmp_path)
        assert dataset.classes == ("ant", composed)
        assert ids(dataset) == ["ant/1.png", f"{composed}/1.png", f"{composed}/22.png"]
        kept = file_fingerprint(tmp_path / composed / "1.png")
        assert dataset.fingerprint(1) == kept
        assert dataset.notes == (
            "ignored: files whose names differ from others only in Unicode form: 1 "
            f"(for example {split}/1.png)",
        )

    def test_classes_that_differ_only_in_case_are_noted(self, root):
        put(root, "Cat/9.png")
        assert make(root).notes == (
            "classes whose names differ only in upper and lower case: 1 (for example Cat and cat)",
        )


class TestGroups:
    @pytest.mark.parametrize(
        ("pattern", "groups"),
        [
            (r"nest(\d+)", ["12", "12", "7"]),
            (r"nest\d+", ["nest12", "nest12", "nest7"]),
            (r"^[^/]+/[^_]+", ["a/nest12", "b/nest12", "b/nest7"]),
            (r"(a)?/", ["a", None, None]),
        ],
    )
    def test_a_group_is_the_first_parenthesis_or_the_whole_match(self, tmp_path, pattern, groups):
        put(tmp_path, "a/nest12_1.png", "b/nest12_2.png", "b/nest7_1.png")
        dataset = make(tmp_path, group=pattern)
        assert [sample.group for sample in dataset.samples] == groups

    def test_the_number_of_groups_is_noted(self, root):
        put(root, "cat/nest1_a.png", "cat/nest1_b.png", "dog/nest2_a.png")
        assert make(root, group="nest.").notes == (
            "groups: 2 groups have 3 images; the largest, nest1, has 2",
            "images without a group, each a group of its own: 4 "
            "(for example cat/1.png, cat/2.png, dog/1.png)",
        )
        assert make(root).notes == ()

    def test_a_useless_pattern_is_refused(self, root):
        with pytest.raises(UsageError, match=r"group=\(a is not a regular expression \(missing \)"):
            make(root, group="(a")
        with pytest.raises(
            DatasetError,
            match=r"group=z none of the 4 images, for example cat/1".replace("z none", "z matches none"),
        ):
            make(root, group="z")


def test_small_classes_are_left_out_with_a_note(root):
    put(root, "ant/1.png", "emu/1.png", "emu/2.png", "emu/3.png")
    dataset = make(root, min_per_class=2, limit=2)
    assert dataset.classes == ("cat", "dog", "emu")
    assert [sample.label for sample in dataset.samples] == [0, 0, 1, 1, 2, 2]
    assert dataset.notes == (
        "left out by min_per_class=2: 1 classes with 1 images (for example ant with 1)",
    )
    with pytest.raises(DatasetError, match=r"leaves 1 of 4 classes.*use min_per_class=2 or less"):
        make(root, min_per_class=3)
