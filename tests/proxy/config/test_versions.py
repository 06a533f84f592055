"""A file's version: a hash of it and of all files that it names."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config import load
from proxy.config.load import ConfigError, files_of, load_whole, version_of
from proxy.config.source import Source

TEXT = """
providers: {openai: {api_key: key}}
models: {m: {target: openai/m}}
policies: {redact/words: {rules: [{words_file: words.txt}]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text("one\n")
    (tmp_path / "config.yaml").write_text(TEXT)
    return tmp_path / "config.yaml"


def test_the_version_changes_with_the_file_and_with_those_that_it_names(config: Path) -> None:
    first = load_whole(config)
    assert first.version == version_of(config) == load_whole(config).version
    assert first.files == (config, config.parent / "words.txt")
    (config.parent / "words.txt").write_text("two\n")
    second = load_whole(config).version
    config.write_text(TEXT + "# a comment\n")
    assert len({first.version, second, load_whole(config).version}) == 3


@pytest.mark.parametrize("text", ["a: [", "models: 5", "", None])
def test_a_file_that_is_not_right_has_a_version_too(config: Path, text: str | None) -> None:
    before = version_of(config)
    config.unlink() if text is None else config.write_text(text)
    assert version_of(config) != before
    assert files_of(config) == (config,)


def test_what_is_used_is_what_the_version_says(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes while it is read is read again. Otherwise its version could name content that nobody uses."""
    really, words = load._made, config.parent / "words.txt"
    reads: list[str] = []

    def changing(*arguments: object, **options: object) -> object:
        found = really(*arguments, **options)  # type: ignore[arg-type]
        reads.append(words.read_text())
        words.write_text("two\n")
        return found

    monkeypatch.setattr(load, "_made", changing)
    loaded = load_whole(config)
    assert reads == ["one\n", "two\n"]
    assert loaded.version == version_of(config)


def test_a_file_that_never_stands_still_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = load._made

    def changing(*arguments: object, **options: object) -> object:
        config.write_text(config.read_text() + "#\n")
        return really(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "_made", changing)
    with pytest.raises(ConfigError, match="changes while it is read"):
        load_whole(config)


def test_a_file_that_stayed_the_same_is_not_parsed_to_see_what_it_names(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, parsed = load.read, list[str]()

    def counting(text: str, environ: Mapping[str, str]) -> Source:
        parsed.append(text)
        return really(text, environ)

    monkeypatch.setattr(load, "read", counting)
    config.write_text(config.read_text() + "# as no other test has it\n")
    assert files_of(config) == files_of(config) == (config, config.with_name("words.txt"))
    assert len(parsed) == 1
    config.write_text(config.read_text().replace("words.txt", "others.txt"))
    assert files_of(config) == (config, config.with_name("others.txt"))
