"""CUB-200-2011 in its official layout: read completely, or refused with file and line."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.conformance import broken
from support.making import create

from stackkit.api import DatasetError, ImageError, datasets_dir
from stackkit_plugins import cub200

TABLES = {
    "images.txt": [
        "7 003.Auk/auk_b.jpg",
        "3 001.Gull/gull_1.jpg",
        "9 003.Auk/auk_a.jpg",
        "12 001.Gull/gull_2.jpg",
    ],
    "classes.txt": ["1 001.Gull", "3 003.Auk"],
    "image_class_labels.txt": ["3 1", "7 3", "9 3", "12 1"],
    "train_test_split.txt": ["3 1", "7 0", "9 1", "12 0"],
    "bounding_boxes.txt": [
        "3 1.0 2.0 30.0 40.0",
        "7 0.0 0.0 5.0 6.0",
        "9 1.0 1.0 7.0 8.0",
        "12 4.5 3.5 2.5 16.5",
    ],
}


class TestCub200:
    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls, cub_root):
        return create(cub200, root=str(cub_root))

    def test_it_passes_all_checks(self, cub_root, root):
        """With the few images of `root` also the checks that change a copy of the dataset."""
        assert broken("cub200", f"cub200:root={cub_root}") == {}
        assert broken("cub200", f"cub200:root={root}") == {}

    def test_the_shared_part_is_read_completely(self, dataset):
        assert len(dataset.samples) == 1115
        assert len(dataset.classes) == 20
        assert dataset.classes[0] == "001.Black_footed_Albatross"
        first = dataset.samples[0]
        assert first.id == "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
        assert (first.label, first.split) == (0, "test")
        assert first.bounding_box == (60.0, 27.0, 325.0, 304.0)

    def test_the_official_split_has_about_thirty_training_images_per_class(self, dataset):
        train = Counter(sample.label for sample in dataset.samples if sample.split == "train")
        assert set(train) == set(range(20))
        assert set(train.values()) <= {29, 30}

    def test_bounding_boxes_are_within_their_images(self, dataset):
        for i in range(0, 1115, 100):
            x, y, width, height = dataset.samples[i].bounding_box
            assert 0 <= x < x + width <= dataset.image(i).width
            assert 0 <= y < y + height <= dataset.image(i).height

    def test_the_overlap_with_imagenet_is_noted(self, dataset):
        (note,) = dataset.notes
        assert "overlap with ImageNet" in note


@pytest.fixture
def root(tmp_path, cub_root) -> Path:
    """Four real photographs of two classes, with ids that are unsorted and have gaps."""
    folder = tmp_path / "CUB_200_2011"
    photographs = iter(sorted((cub_root / "images").rglob("*.jpg")))
    for line in TABLES["images.txt"]:
        image = folder / "images" / line.split()[1]
        image.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(photographs), image)
    for name, lines in TABLES.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


def make(root: Path, **options):
    return create(cub200, root=str(root), **options)


def refusal(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        make(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestReading:
    def test_images_txt_decides_the_order_and_classes_txt_the_labels(self, root):
        dataset = make(root)
        assert [sample.id for sample in dataset.samples] == [
            line.split()[1] for line in TABLES["images.txt"]
        ]
        assert [sample.label for sample in dataset.samples] == [1, 0, 1, 0]
        assert [sample.split for sample in dataset.samples] == ["test", "train", "train", "test"]
        assert dataset.samples[3].bounding_box == (4.5, 3.5, 2.5, 16.5)

    def test_the_parent_folder_is_accepted_too(self, root):
        assert make(root.parent).samples == make(root).samples

    def test_by_default_the_folder_of_fetch_is_read(self, root):
        datasets_dir().mkdir(parents=True)
        shutil.move(root, datasets_dir())
        assert len(create(cub200).samples) == 4

    def test_without_the_dataset_the_error_tells_how_to_get_it(self):
        with pytest.raises(
            DatasetError, match=r"run `stackkit fetch --dataset cub200` \(1\.1 GB\), or pass root="
        ):
            create(cub200)

    def test_windows_line_ends_and_a_missing_last_newline_are_accepted(self, root):
        expected = make(root).samples
        for name, lines in TABLES.items():
            (root / name).write_bytes("\r\n".join(lines).encode())
        assert make(root).samples == expected

    def test_a_root_relative_to_the_current_folder_stays_valid(self, root, monkeypatch):
        monkeypatch.chdir(root.parent)
        dataset = make(Path(root.name))
        monkeypatch.chdir("/")
        assert dataset.image(0).mode == "RGB"

    def test_a_missing_image_remains_a_sample_and_is_noted(self, root):
        (root / "images" / "001.Gull" / "gull_1.jpg").unlink()
        dataset = make(root)
        assert len(dataset.samples) == 4
        with pytest.raises(ImageError, match=r"^the file is missing$"):
            dataset.image(1)
        with pytest.raises(OSError, match=r"gull_1"):
            dataset.fingerprint(1)
        assert dataset.image(0).mode == "RGB"
        assert dataset.notes[1:] == (
            "images listed in images.txt but missing or empty on disk: 1 "
            "(for example 001.Gull/gull_1.jpg)",
        )

    def test_unlisted_images_are_counted(self, root):
        shutil.copy(root / "images/003.Auk/auk_a.jpg", root / "images/003.Auk/auk_c.jpg")
        (root / "images" / "003.Auk" / ".DS_Store").touch()
        assert make(root).notes[1:] == (
            "ignored: files below images/ that images.txt does not list: 1 "
            "(for example 003.Auk/auk_c.jpg)",
        )

    def test_a_class_without_images_keeps_its_label_and_is_noted(self, root):
        (root / "classes.txt").write_text("1 001.Gull\n2 002.Tern\n3 003.Auk\n")
        dataset = make(root)
        assert [sample.label for sample in dataset.samples] == [2, 0, 2, 0]
        assert dataset.notes[1:] == ("classes without images: 1 (for example 002.Tern)",)


class TestRefusals:
    @pytest.mark.parametrize("name", TABLES)
    def test_a_missing_metadata_file_is_named(self, root, name):
        (root / name).unlink()
        assert f"{root} has no {name}; point root= at" in refusal(root)

    @pytest.mark.parametrize("name", TABLES)
    def test_an_empty_metadata_file_is_named(self, root, name):
        (root / name).write_text("\n")
        assert f"{root / name} is empty" in refusal(root)

    @pytest.mark.parametrize("name", list(TABLES)[2:])
    def test_a_metadata_file_cut_short_names_file_and_line(self, root, name):
        (root / name).write_text("".join(f"{line}\n" for line in TABLES[name][:3]))
        message = refusal(root)
        assert f"{root / name}, line 3: the file ends after 3 lines, but images.txt has 4" in message
        assert "image 12 is the first without a line" in message

    def test_images_txt_cut_short_is_found_by_comparing_files(self, root):
        (root / "images.txt").write_text("".join(f"{line}\n" for line in TABLES["images.txt"][:3]))
        assert (
            "image_class_labels.txt, line 4: image id 12 is not one of the 3 in images.txt"
            in refusal(root)
        )

    @pytest.mark.parametrize("name", TABLES)
    def test_a_file_cut_short_anywhere_never_changes_the_samples(self, root, name):
        whole, content = make(root), (root / name).read_bytes()
        for length in range(len(content)):
            (root / name).write_bytes(content[:length])
            try:
                dataset = make(root)
            except DatasetError as error:
                assert ".txt" in str(error)  # noqa: PT017
            else:
                assert length == len(content) - 1, f"{content[:length][-20:]!r} was accepted as complete"
                assert dataset.samples == whole.samples

    @pytest.mark.parametrize(
        ("name", "line", "text", "reason"),
        [
            (
                "images.txt",
                2,
                "gull",
                "expected '<image id> <class name>/<file name>.jpg', got 'gull'",
            ),
            ("images.txt", 2, "", ".jpg', got ''"),
            ("images.txt", 2, "-3 001.Gull/gull_1.jpg", ", got '-3 001.Gull/gull_1.jpg'"),
            ("images.txt", 2, "٣ 001.Gull/gull_1.jpg", "expected '<image id>"),
            ("images.txt", 2, "7 001.Gull/gull_1.jpg", "id 7 is already on line 1"),
            ("images.txt", 3, "9 003.Auk/auk_b.jpg", "003.Auk/auk_b.jpg is already on line 1"),
            ("images.txt", 2, "3 001.Gull/gull_1.txt", "expected <class name>/<file name>.jpg, got"),
            ("images.txt", 2, "3 gull_1.jpg", "expected <class name>/<file name>.jpg, got"),
            ("images.txt", 2, "3 ../secret.jpg", "expected <class name>/<file name>.jpg, got"),
            ("images.txt", 2, "3 /etc/secret.jpg", "expected <class name>/<file name>.jpg, got"),
            (
                "images.txt",
                2,
                "3 001.Gull/../../secret.jpg",
                "is not a file in a class folder of images/",
            ),
            ("images.txt", 2, "3 001.Gull\\gull_1.jpg", "expected <class name>/<file name>.jpg, got"),
            ("images.txt", 2, "3 001.Gull/a\0.jpg", "expected '<image id>"),
            ("classes.txt", 2, "3", "expected '<class id> <class name>', got '3'"),
            ("classes.txt", 2, "1 003.Auk", "id 1 is already on line 1"),
            ("classes.txt", 2, "3 001.Gull", "001.Gull is already on line 1"),
            ("image_class_labels.txt", 2, "7 2", "expected a class id of classes.txt, got '2'"),
            ("image_class_labels.txt", 2, "7 x", "expected a class id of classes.txt, got 'x'"),
            ("image_class_labels.txt", 2, "7 ²", "expected a class id of classes.txt, got '²'"),
            ("image_class_labels.txt", 2, "3 3", "id 3 is already on line 1"),
            ("image_class_labels.txt", 2, "8 3", "image id 8 is not one of the 4 in images.txt"),
            (
                "image_class_labels.txt",
                2,
                "7 1",
                "class 1 is '001.Gull' on line 1 of classes.txt, but the image is in '003.Auk'",
            ),
            ("train_test_split.txt", 3, "9 2", "expected 1 (training) or 0 (test), got '2'"),
            ("train_test_split.txt", 3, "9 train", "expected 1 (training) or 0 (test), got 'train'"),
            ("bounding_boxes.txt", 4, "12 1.0 2.0 3.0", "expected x, y, width and height, got"),
            ("bounding_boxes.txt", 4, "12 1.0 2.0 3.0 nan", "expected x, y, width and height, got"),
            ("bounding_boxes.txt", 4, "12 1.0 2.0 3.0 0.0", "width and height must be above 0, got"),
        ],
    )
    def test_an_invalid_line_is_named_with_its_number(self, root, name, line, text, reason):
        lines = [*TABLES[name][: line - 1], text, *TABLES[name][line:]]
        (root / name).write_text("".join(f"{line}\n" for line in lines))
        message = refusal(root)
        assert f"{root / name}, line {line}: " in message
        assert reason in message

    def test_undecodable_bytes_are_reported_with_their_line(self, root):
        (root / "classes.txt").write_bytes(b"1 001.Gull\n3 003.\xff\xfe\n")
        assert f"{root / 'classes.txt'}, line 2: not UTF-8 text" in refusal(root)

    def test_a_missing_images_folder_is_named(self, root):
        shutil.rmtree(root / "images")
        assert f"{root} has no images folder" in refusal(root)

    def test_having_none_of_the_listed_images_is_an_error(self, root):
        shutil.rmtree(root / "images" / "001.Gull")
        (root / "images" / "003.Auk").rename(root / "images" / "Auk")
        assert (
            "contains none of the 4 images listed in images.txt, for example 003.Auk/auk_b.jpg"
            in refusal(root)
        )

    def test_a_root_that_is_missing_or_a_file_is_refused(self, root):
        assert "has no images.txt; point root= at" in refusal(root / "gone")
        assert "Not a directory" in refusal(root / "images.txt")
