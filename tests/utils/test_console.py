"""Lines show names literally, in every encoding and on every kind of standard stream."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from support.commands import python, variables

from stackkit.utils.console import cells, literal, padded, say
from stackkit.utils.tables import print_literal

PRINT = """
import os, sys
from stackkit.utils.streams import protect_standard_streams
protect_standard_streams()
file = open(sys.argv[1], "w")
print("§ 日本", flush=True)
print("to stderr", file=sys.stderr)
os.write(1, b"from C")
file.write("untouched")
file.close()
print("end")
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plate:b:2 [bold]:smile:", "plate:b:2 [bold]:smile:"),
        ("日本 Müller", "日本 Müller"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc\u2028d", r"a\nb\tc\u2028d"),
        ("right\u202eleft\u200f", r"right\u202eleft\u200f"),
        ("not UTF-8: \udcff", r"not UTF-8: \udcff"),
        ("नमस्\u200dते", "नमस्\u200dते"),
    ],
)
def test_names_are_literal_and_no_terminal_obeys_them(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert literal(text) == shown
    say(text)
    say(text, err=True)
    assert capsys.readouterr() == (f"{shown}\n", f"{shown}\n")
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    print_literal(console, text)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == f"{shown}\n"


def test_characters_that_an_encoding_does_not_have_are_escaped() -> None:
    assert literal("± 日", "ascii") == r"\xb1 \u65e5"
    assert literal("± 日", "cp1252") == r"± \u65e5"


def test_wide_characters_count_twice() -> None:
    assert [cells(text) for text in ("abc", "日本", "é")] == [3, 4, 1]
    assert padded("日本", 6) + "|" == "日本  |"


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_a_closed_stream_is_not_taken_by_the_next_file(closed: tuple[int, ...], tmp_path) -> None:
    shut = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    script = f'exec "$@" {shut}'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", PRINT, str(tmp_path / "file")]
    done = subprocess.run(command, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_text() == "untouched"
    assert done.stdout == ("" if 1 in closed else "§ 日本\nfrom Cend\n")
    assert done.stderr == ("" if 2 in closed else "to stderr\n")


def test_ascii_streams_get_escapes(tmp_path) -> None:
    done = python("-c", PRINT, tmp_path / "file", PYTHONIOENCODING="ascii")
    assert (done.code, done.out) == (0, "\\xa7 \\u65e5\\u672c\nfrom Cend\n")


def test_a_reader_that_leaves_costs_only_the_rest_of_the_output(tmp_path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", PRINT, str(tmp_path / "file")]
    done = subprocess.run(command, env=variables(), stdout=writer, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == "untouched"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_result_that_does_not_fit_on_the_disk_is_an_error_and_a_message_is_not(tmp_path) -> None:
    command = [sys.executable, "-c", PRINT, str(tmp_path / "file")]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command, env=variables(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 1
        assert "cannot be written to stdout: No space left on device" in done.stderr
        done = subprocess.run(command, env=variables(), stdout=subprocess.PIPE, stderr=full, check=False)
        assert done.returncode == 0
