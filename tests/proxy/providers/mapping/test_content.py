"""Content parts: what goes up, and what would make LiteLLM fetch or drop something."""

from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.mapping.content import ANTHROPIC, GEMINI, Rules, copied, result_parts, text_of, user_parts

PNG = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "text", "text": "hi"}


def picture(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def parts(content: list[Any], rules: Rules) -> list[dict[str, Any]]:
    ready = user_parts(content, "here", rules)
    assert isinstance(ready, list)
    return ready


def refused(content: Any, rules: Rules, *, result: bool = False) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        (result_parts if result else user_parts)(content, "here", rules)
    return caught.value


@pytest.mark.parametrize("rules", [ANTHROPIC, GEMINI])
@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "HTTPS://example.com/a.png",
        "httpx://example.com/a.png",
        " https://example.com/a.png",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        "//example.com/a.png",
        "iVBORw0KGgo=",
        "data:image/png,iVBOR",
        "data:image/png;base64,",
        "data:image/png;base64,http://example.com/a.png",
        "data:image/png;base64,AAAAdata:AAAA",
        "data:image/png;base64,AAAA;base64,AAAA",
        "data:;base64,iVBOR",
        "",
        None,
        7,
        {"url": PNG},
    ],
)
def test_a_source_that_nobody_may_fetch_is_refused(rules: Rules, url: Any) -> None:
    error = refused([picture(url)], rules)
    assert error.param == "here[0].image_url.url"
    assert "data:" in error.message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "https://generativelanguage.googleapis.com/v1/files/a",
        "https://generativelanguage.googleapis.com.evil/v1beta/files/a",
        "https://generativelanguage.googleapis.com/v1beta/files/a?next=http://x",
        "gs://bucket/no-extension",
        "gs://bucket.name/x",
        "gs://bucket/https://example.com/a.png",
    ],
)
def test_gemini_gets_no_url_that_litellm_would_fetch(url: str) -> None:
    assert "data:" in refused([picture(url)], GEMINI).message
    assert "data:" in refused([{"type": "file", "file": {"file_id": url}}], GEMINI).message


def test_geminis_results_take_data_alone() -> None:
    uploaded = "https://generativelanguage.googleapis.com/v1beta/files/a"
    assert user_parts([picture(uploaded)], "here", GEMINI) == [picture(uploaded)]
    refused([picture(uploaded)], GEMINI, result=True)
    refused([{"type": "file", "file": {"file_id": PNG}}], GEMINI, result=True)


def test_a_gs_address_needs_a_media_type_or_an_extension() -> None:
    assert user_parts([picture("gs://b/x", format="image/png")], "here", GEMINI)
    assert user_parts([picture("gs://b/x.png")], "here", GEMINI)


@pytest.mark.parametrize("rules", [ANTHROPIC, GEMINI])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "input_image", "image_url": "https://x"},
        {"type": None},
        {"text": "x"},
        {"type": ["text"]},
        "text",
        None,
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "image_url"},
        {"type": "image_url", "image_url": None},
        {"type": "file"},
        {"type": "file", "file": "x"},
        {"type": "file", "file": {}},
        {"type": "file", "file": {"file_data": 1}},
        {"type": "file", "file": {"file_data": "http://example.com/a.pdf"}},
        {"type": "file", "file": {"file_id": "http://example.com/a.pdf"}},
    ],
)
def test_parts_that_would_be_dropped_or_break_are_refused(rules: Rules, part: Any) -> None:
    for result in (False, True):
        error = refused([TEXT, part], rules, result=result)
        assert (error.param or "").startswith("here[1]")


def test_audio_goes_to_gemini_alone_and_as_data() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    assert user_parts([audio], "here", GEMINI) == [audio]
    assert "input_audio" in refused([audio], ANTHROPIC).message
    for data, kind in (("gs://b/x", "wav"), ("UklG", "http://x"), (None, "wav"), ("UklG", None)):
        refused([{"type": "input_audio", "input_audio": {"data": data, "format": kind}}], GEMINI)


def test_anthropics_own_documents() -> None:
    document = {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}, "title": "t"}
    assert user_parts([document], "here", ANTHROPIC) == [document]
    refused([{"type": "document", "source": {"type": "url", "url": "http://x/a.pdf"}}], ANTHROPIC)
    refused([{"type": "document"}], ANTHROPIC)
    refused([document], GEMINI)


def test_files_for_anthropic() -> None:
    def file(data: str) -> dict[str, Any]:
        return {"type": "file", "file": {"file_data": data}, "cache_control": {"type": "ephemeral"}}

    text = "data:text/csv;charset=utf-8;base64,YSxi"
    [document] = parts([file(text)], ANTHROPIC)
    assert document["source"]["data"] == "a,b"
    assert document["cache_control"] == {"type": "ephemeral"}
    plain = result_parts([file(text)], "here", ANTHROPIC)[0]
    assert plain == {"type": "text", "text": "a,b", "cache_control": {"type": "ephemeral"}}
    refused([file("data:text/plain;base64,/w==")], ANTHROPIC)
    assert "application/zip" in refused([file("data:application/zip;base64,UEs=")], ANTHROPIC).message


def test_a_file_with_data_loses_its_id() -> None:
    pdf = "data:application/pdf;base64,JVBERi0="
    part = {"type": "file", "file": {"file_data": pdf, "file_id": "http://example.com/a.pdf"}}
    [file] = parts([part], GEMINI)
    assert file == {"type": "file", "file": {"file_data": pdf}}
    assert part["file"] == {"file_data": pdf, "file_id": "http://example.com/a.pdf"}


def test_text_alone() -> None:
    assert text_of("a", "here") == "a"
    assert text_of(None, "here") == ""
    assert text_of([TEXT, {"type": "refusal", "refusal": "no"}], "here") == "hino"
    for content in ([picture(PNG)], 7, {"text": "x"}):
        with pytest.raises(InvalidRequest):
            text_of(content, "here")


def test_a_copy_shares_nothing_that_can_change() -> None:
    value: dict[str, Any] = {"a": [{"b": 1}], "c": ("d",)}
    copy: Any = copied(value)
    copy["a"][0]["b"] = 2
    assert value["a"][0]["b"] == 1
    assert copy["c"] == ["d"]
