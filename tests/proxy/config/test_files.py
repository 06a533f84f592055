"""Files that are named: regular ones of bounded size, whatever happens to them meanwhile."""

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from policies.base import UnusableFile
from proxy.config.files import digest_of, lines_of, read_file
from proxy.config.load import ConfigError, files_of, load, load_whole, version_of

REMEDY = "send less"
TEXT = "providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\n"
WORDS = TEXT + "policies: {redact/w: {rules: [{name: w, words_file: words.txt}]}}\n"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path may be 107 bytes long
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_linked_pipe(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


NO_FILES: list[tuple[Callable[[Path], None], str]] = [
    (Path.mkdir, "is a directory: name a regular file, or a link to one"),
    (a_pipe, "is a named pipe: name a regular file, or a link to one"),
    (a_linked_pipe, "is a named pipe"),
    (a_socket, "is a socket"),
    (an_endless_device, "is a device"),
    (lambda path: None, "cannot be read (No such file or directory): check its name and its permissions"),
    (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
]


@pytest.mark.parametrize(("make", "fault"), NO_FILES)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None], fault: str
) -> None:
    path = tmp_path / "config.yaml"
    make(path)
    with pytest.raises(UnusableFile) as refusal:
        read_file(path, 100, REMEDY)
    assert str(refusal.value).startswith(fault)
    with pytest.raises(ConfigError) as refused:
        load(path, environ={})
    assert f"config.yaml:1:1: {fault}" in str(refused.value)
    assert files_of(path) == (path,) and version_of(path)


@pytest.mark.parametrize(("make", "fault"), NO_FILES)
def test_so_is_a_words_file(tmp_path: Path, make: Callable[[Path], None], fault: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(WORDS)
    make(tmp_path / "words.txt")
    with pytest.raises(ConfigError) as refused:
        load_whole(config, environ={})
    assert "config.yaml:3:53 policies.redact/w.rules[0].words_file: rule 'w': the file " in str(refused.value)
    assert f"words.txt' {fault}" in str(refused.value)
    assert len(files_of(config)) == 2 and version_of(config)


def test_links_to_regular_files_are_followed(tmp_path: Path) -> None:
    data = tmp_path / "..2026_data"
    data.mkdir()
    (data / "config.yaml").write_text(TEXT)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    assert read_file(tmp_path / "config.yaml", 1000, REMEDY) == TEXT.encode()
    assert "m" in load_whole(tmp_path / "config.yaml").config.models


def test_a_file_of_just_the_bound_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2**21)
    assert read_file(file, 2**21, REMEDY) == b"x" * 2**21
    assert digest_of(file, 2**21) == (hashlib.sha256(b"x" * 2**21).digest(), 2**21)
    os.truncate(file, 2**40)  # a terabyte without a byte on the disk
    for read in (lambda: read_file(file, 2**21, REMEDY), lambda: digest_of(file, 2**21)):
        with pytest.raises(UnusableFile, match="is larger than 2 MiB"):
            read()


def test_a_file_that_grows_while_it_is_read_is_read_no_further_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, really, taken = tmp_path / "file", os.read, list[int]()
    file.write_bytes(b"x")

    def growing(descriptor: int, size: int) -> bytes:
        with file.open("ab") as more:
            more.write(b"x" * 2**20)
        data = really(descriptor, size)
        taken.append(len(data))
        return data

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(UnusableFile, match=f"is larger than 3 MiB: {REMEDY}"):
        read_file(file, 3 * 2**20, REMEDY)
    assert sum(taken) <= 4 * 2**20


def test_a_file_that_is_swapped_for_a_pipe_before_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, really = tmp_path / "file", os.open
    file.write_bytes(b"x")

    def swapping(path: Path, flags: int) -> int:
        file.unlink()
        os.mkfifo(file)
        return really(path, flags)

    monkeypatch.setattr(os, "open", swapping)
    with pytest.raises(UnusableFile, match="is a named pipe"):
        read_file(file, 100, REMEDY)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    before = os.listdir("/proc/self/fd")
    for most in (10, 100):
        for path in (file, tmp_path):
            try:
                read_file(path, most, REMEDY)
            except UnusableFile:
                continue
    assert os.listdir("/proc/self/fd") == before


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(WORDS.replace("words.txt", '"a\\0b"'))
    with pytest.raises(ConfigError, match="has a name that no file can have: remove"):
        load_whole(config, environ={})


@pytest.mark.parametrize(
    ("bound", "most", "words"), [("MAX_WORDS_BYTES", 2**20, "1 MiB"), ("MAX_WORD_LINES", 200_005, "200,005 lines")]
)
def test_all_lists_of_a_configuration_have_one_bound(
    bound: str, most: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"proxy.config.load.{bound}", most)
    (tmp_path / "words.txt").write_text("word\n" * 100_000)
    config = tmp_path / "config.yaml"
    rules = ", ".join(f"{{name: w{number}, words_file: words.txt}}" for number in range(3))
    config.write_text(TEXT + f"policies: {{redact/w: {{rules: [{rules}]}}}}\n")
    with pytest.raises(ConfigError) as refused:
        load_whole(config, environ={})
    (problem,) = refused.value.problems
    assert problem.path == "policies.redact/w.rules[2].words_file"
    assert problem.message.endswith(f"use fewer words: all lists of a configuration may have {words} together")


@pytest.mark.parametrize("text", ["", "a", "a\nb", "a\r\nb\rc", "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029密"])
def test_lines_are_counted_as_words_are_told_apart(text: str) -> None:
    assert lines_of(text.encode()) == max(1, len(text.splitlines()))
