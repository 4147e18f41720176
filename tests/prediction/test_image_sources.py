"""The files that a user means by paths, folders, patterns and lists, on real file systems."""

import os
from collections import Counter
from pathlib import Path

import pytest

from stackkit.prediction.image_sources import find_images, left_out_lines, listed, shown


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """Folders as they come from cameras, NAS and careless users; the current folder."""
    names = """b.jpg a.PNG notes.txt raw.CR2 .hidden.jpg Thumbs.db deep/c.webp deep/er/d.tif
        @eaDir/a.jpg .git/e.jpg folder.jpg/f.jpg out/g.jpg"""
    for name in [*names.split(), "with space.jpg", "[x].jpg", "line\nbreak.jpg"]:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "photos/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/up").symlink_to(tmp_path)
    (tmp_path / "photos/itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "photos/gone.jpg").symlink_to("nothing")
    os.mkfifo(tmp_path / "photos/pipe.jpg")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/h.jpg").write_bytes(b"")
    (tmp_path / "photos/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/linked again").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_of_a_folder_all_images_are_taken_at_any_depth_and_everything_else_is_counted(tree):
    found = find_images(["photos"], without=Path("photos/out"))
    assert found.paths == [
        f"photos/{name}"
        for name in (
            *("[x].jpg", "a.PNG", "b.jpg", "line\nbreak.jpg", "with space.jpg", "deep/c.webp"),
            *("deep/er/d.tif", "folder.jpg/f.jpg", "linked/h.jpg"),
        )
    ]
    assert found.left_out == Counter(
        {
            "hidden files and folders": 2,
            "housekeeping of NAS, Windows or macOS": 2,
            "raw photographs (develop them and save them as JPEG or TIFF)": 1,
            "files without an image extension": 1,
            "broken links and special files": 3,
            "links to folders that are already included": 3,
            "files in the folder that receives the sorted images": 1,
        }
    )
    assert left_out_lines(found.left_out)[0] == "left out: broken links and special files: 3"


def test_files_are_taken_whatever_their_ending_once_each_as_they_are_spelled(tree):
    named = ["photos/notes.txt", "./photos/b.jpg", "photos/b.jpg", "photos/deep", "missing.jpg"]
    found = find_images([*named, "photos/deep/c.webp", "photos/.hidden.jpg"])
    assert found.paths == [
        "photos/notes.txt",
        "./photos/b.jpg",
        "photos/deep/c.webp",
        "photos/deep/er/d.tif",
        "missing.jpg",
        "photos/.hidden.jpg",
    ]
    assert found.left_out == {"files that are named twice": 2}


def test_patterns_match_at_any_depth_unless_a_file_has_that_very_name(tree):
    assert find_images(["photos/deep/**/*.*"]).paths == ["photos/deep/c.webp", "photos/deep/er/d.tif"]
    assert find_images(["photos/[x].jpg"]).paths == ["photos/[x].jpg"]
    assert find_images(["photos/[ab].*"]).paths == ["photos/a.PNG", "photos/b.jpg"]
    assert find_images(["photos/*.nothing"]).paths == ["photos/*.nothing"], "it is then missing"
    linked = find_images(["photos/**/*.jpg"]).paths  # the links of this tree lead upwards, too
    assert [path for path in linked if path.endswith("h.jpg")] == ["photos/linked/h.jpg"]
    assert find_images(["**/c.webp"]).paths == ["photos/deep/c.webp"]
    assert find_images(["pho*/**/er/**/*.tif"]).paths == ["photos/deep/er/d.tif"]
    assert find_images(["photos/deep/**"]).paths == ["photos/deep/c.webp", "photos/deep/er/d.tif"]
    assert find_images(["photos/dee?"]).paths == ["photos/deep/c.webp", "photos/deep/er/d.tif"]


def test_what_was_sorted_before_is_left_out_whether_a_folder_or_a_pattern_names_it(tree):
    for named in ("photos", "photos/**/*.*", "photos/deep/*"):
        found = find_images([named], without=Path("photos/deep"))
        assert not [path for path in found.paths if "deep" in path]
        assert found.left_out["files in the folder that receives the sorted images"]
    assert find_images(["photos/deep/c.webp"], without=Path("photos/deep")).paths == [
        "photos/deep/c.webp"
    ]


def test_lists_have_a_path_per_line_or_end_each_with_nul():
    assert listed(b"a.jpg\r\nwith space.jpg\n\n b \n", by_nul=False) == [
        "a.jpg",
        "with space.jpg",
        " b ",
    ]
    assert listed(b"a\nb.jpg\0c.jpg\0", by_nul=True) == ["a\nb.jpg", "c.jpg"]
    assert os.fsencode(listed(b"caf\xe9.jpg\n", by_nul=False)[0]) == b"caf\xe9.jpg"


def test_names_that_are_no_text_are_found_and_shown_as_one_line(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes valid text only")
    (path,) = find_images([str(tmp_path)]).paths
    assert Path(path).exists()
    assert shown(path) == f"{tmp_path}/caf\\udce9.jpg"
    assert shown("a\nb\x1b[2J.jpg") == "a\\nb\\x1b[2J.jpg"
    assert shown("Sperling-Männchen 鳥.jpg") == "Sperling-Männchen 鳥.jpg"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_counted(tree):
    (tree / "photos/deep").chmod(0)
    try:
        assert find_images(["photos/deep"]).left_out == {"folders that cannot be read": 1}
    finally:
        (tree / "photos/deep").chmod(0o700)
