"""Which images, labels and splits `webdataset` finds in shards."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stackkit.api import DatasetError, UsageError, bytes_fingerprint
from stackkit_webdataset.dataset import WebDataset, webdataset
from stackkit_webdataset.shards import expanded, split_of

from writing import jpeg, pair, record, shard


def read(root: Path | str, **given: Any) -> WebDataset:
    options = {"label": "cls", "image": None, "classes": None, "limit": None}
    return webdataset(root=str(root), **{**options, **given})


def ids(dataset: WebDataset) -> list[str]:
    return [sample.id for sample in dataset.samples]


def labels(dataset: WebDataset) -> list[str]:
    return [dataset.classes[sample.label] for sample in dataset.samples]


def test_images_and_fingerprints_equal_those_of_unpacked_files(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [*pair(1, "u"), *pair(2, "v"), *pair(3, "u")])
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    dataset = read(path)
    for i, sample in enumerate(dataset.samples):
        content = (tmp_path / "unpacked" / Path(sample.id).name).read_bytes()
        assert dataset.image(i) == Image.open(io.BytesIO(content)).convert("RGB")
        assert dataset.fingerprint(i) == bytes_fingerprint(content)
    assert ids(dataset) == ["a.tar/000001.jpg", "a.tar/000002.jpg", "a.tar/000003.jpg"]
    assert labels(dataset) == ["u", "v", "u"]
    assert dataset.notes == ()


def test_images_do_not_depend_on_order_or_thread(tmp_path: Path) -> None:
    for number in range(3):
        numbers = range(number * 10, number * 10 + 10)
        shard(tmp_path / f"{number}.tar", [each for n in numbers for each in pair(n, n % 2)])
    dataset = read(tmp_path)
    order = [*range(29, -1, -1), *range(0, 30, 7)] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: dataset.image(i).tobytes(), order))
    alone = [Image.open(io.BytesIO(jpeg(i))).tobytes() for i in range(30)]
    assert found == [alone[i] for i in order]


def test_numeric_labels_are_sorted_or_named_by_a_file(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [*pair(1, 10), *pair(2, "9\n"), *pair(3, 0)])
    assert read(tmp_path).classes == ("0", "9", "10")
    names = tmp_path / "classnames.txt"
    names.write_text("".join(f"bird {n}\n" for n in "zyxwvutsrqp"), encoding="utf-8")
    dataset = read(tmp_path, classes=str(names))
    assert dataset.classes == ("bird z", "bird q", "bird p")
    assert labels(dataset) == ["bird p", "bird q", "bird z"]
    assert dataset.notes == (
        "classes without an image: 8 (for example bird y)",
        "skipped, files that are not shards: 1 (for example classnames.txt)",
    )
    names.write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"a\.tar/000001\.jpg must be a number from 0 to 1, .* got 10"
    ):
        read(tmp_path, classes=str(names))
    names.write_text("one\none\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="one unique class name per line"):
        read(tmp_path, classes=str(names))


def test_labels_are_read_from_a_key_of_json_or_another_ending(tmp_path: Path) -> None:
    members = [
        *record(1, species="crow", id=3),
        *record(2, species="tit", id=20),
        ("000002.txt", b"wren"),
    ]
    shard(tmp_path / "a.tar", [*members, ("000001.txt", b"owl")])
    assert labels(read(tmp_path, label="json.species")) == ["crow", "tit"]
    assert read(tmp_path, label="json.id").classes == ("3", "20")
    assert labels(read(tmp_path, label="txt")) == ["owl", "wren"]  # members of a key may be in any order
    with pytest.raises(DatasetError, match=r"got 0 labelled images .*without a label \(\.cls\): 2"):
        read(tmp_path)
    with pytest.raises(UsageError, match=r"label must be an ending .* got 'json\.'"):
        read(tmp_path, label="json.")


def test_one_of_several_images_is_chosen_by_its_ending(tmp_path: Path) -> None:
    members = [
        (f"{key}.{side}.PNG", jpeg(key + n, form="PNG")) for key in (1, 5) for n, side in enumerate("lr")
    ]
    shard(tmp_path / "a.tar", [*members, ("1.cls", b"u"), ("5.cls", b"v")])
    dataset = read(tmp_path, image="r.png")
    assert ids(dataset) == ["a.tar/1.r.PNG", "a.tar/5.r.PNG"]
    assert dataset.fingerprint(1) == bytes_fingerprint(jpeg(6, form="PNG"))


def test_keys_have_folders_and_end_at_the_first_dot(tmp_path: Path) -> None:
    members = [("./x.y/1.jpg", jpeg(1)), ("./x.y/1.cls", b"u"), ("x/1.jpg", jpeg(2)), ("x/1.cls", b"v")]
    dataset = read(shard(tmp_path / "a.tar", members))
    assert ids(dataset) == ["a.tar/x.y/1.jpg", "a.tar/x/1.jpg"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train/0.tar", "train"),
        ("Valid/test-0.tar", "val"),  # the folder decides
        ("a/validation/0.tar", "val"),
        ("test-000000.tar", "test"),
        ("imagenet1k-val-0001.tar", "val"),
        ("trains/restrain.tar", None),
    ],
)
def test_the_split_is_named_by_a_folder_or_a_word_of_the_file_name(name: str, part: str | None) -> None:
    assert split_of(name) == part


def test_a_name_with_two_splits_is_refused_and_images_without_one_are_noted(tmp_path: Path) -> None:
    shard(tmp_path / "train-0.tar", pair(1, "u"))
    shard(tmp_path / "extra-0.tar", pair(2, "v"))
    (note,) = read(tmp_path).notes
    assert note == "images outside any split: 1 (for example extra-0.tar/000002.jpg)"
    shard(tmp_path / "train-test.tar", pair(3, "v"))
    with pytest.raises(DatasetError, match=r"train-test\.tar contains two splits, test and train"):
        read(tmp_path)


def test_patterns_work_as_in_a_shell(tmp_path: Path) -> None:
    for number, name in enumerate(["train/s-08", "train/s-09", "train/s-10", "test/s-08"]):
        shard(tmp_path / f"{name}.tar", pair(number, number % 2))
    assert len(ids(read(f"{tmp_path}/{{train,test}}/s-08.tar", limit=5))) == 2
    assert ids(read(f"{tmp_path}/train/s-{{08..10}}.tar"))[0] == "s-08.tar/000000.jpg"
    dataset = read(f"{tmp_path}/t*/s-0?.tar")
    assert [sample.split for sample in dataset.samples] == ["test", "train", "train"]
    assert expanded("{a,b}-{9..11}.{}") == [f"{x}-{n}." for x in "ab" for n in ("9", "10", "11")]
    with pytest.raises(
        DatasetError, match=r"matches 4 shards, 1 of them do not exist, for example .*s-11"
    ):
        read(f"{tmp_path}/train/s-{{08..11}}.tar")
    with pytest.raises(DatasetError, match="matches 0 shards"):
        read(f"{tmp_path}/val/*.tar")


def test_a_shard_with_two_names_is_read_once_and_linked_folders_are_followed(tmp_path: Path) -> None:
    shard(tmp_path / "disk" / "a.tar", [*pair(1, "u"), *pair(2, "v")])
    root = tmp_path / "root"
    root.mkdir()
    (root / "far").symlink_to(tmp_path / "disk")
    (root / "again").symlink_to(tmp_path / "disk")
    (root / "loop").symlink_to(root)
    (root / "zz.tar").symlink_to(tmp_path / "disk" / "a.tar")
    dataset = read(root)
    assert ids(dataset) == ["again/a.tar/000001.jpg", "again/a.tar/000002.jpg"]
    assert dataset.notes == ("skipped, duplicate shards: 1 (for example zz.tar)",)


def test_limit_takes_the_first_images_of_each_class(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [each for n in range(6) for each in pair(n, n % 2)])
    dataset = read(tmp_path, limit=2)
    assert ids(dataset) == [f"a.tar/{n:06}.jpg" for n in range(4)]
    assert dataset.fingerprint(3) == bytes_fingerprint(jpeg(3))


def test_shards_of_the_official_writer_are_read(tmp_path: Path) -> None:
    official = pytest.importorskip(
        "webdataset", reason="webdataset, the official writer, is not installed"
    )
    pattern = str(tmp_path / "train-%06d.tar")
    with official.ShardWriter(pattern, maxcount=2, verbose=0) as writer:
        for n in range(5):
            writer.write(
                {"__key__": f"k/{n:04}", "jpg": jpeg(n), "cls": n % 3, "json": {"n": f"is {n}"}}
            )
    dataset = read(tmp_path, label="json.n")
    assert [sample.id for sample in read(tmp_path).samples] == ids(dataset)
    assert ids(dataset) == [f"train-{n // 2:06}.tar/k/{n:04}.jpg" for n in range(5)]
    assert labels(dataset) == [f"is {n}" for n in range(5)]
    assert labels(read(tmp_path)) == ["0", "1", "2", "0", "1"]
    assert [dataset.fingerprint(n) for n in range(5)] == [bytes_fingerprint(jpeg(n)) for n in range(5)]
