"""LiteLLM's file of models, read without LiteLLM."""

import subprocess
import sys

from proxy.accounting.pricing import table


def test_what_is_not_in_it() -> None:
    assert table.find("unheard-of") is None
    assert table.find("sample_spec") is None


def test_parts_of_a_price() -> None:
    entry = table.find("claude-sonnet-4-5")
    assert entry is not None and entry.price is not None
    price = entry.price
    assert [round(part or 0, 6) for part in (price.input, price.output, price.cached, price.cache_write)] == [
        3,
        15,
        0.3,
        3.75,
    ]


def test_a_price_of_nothing_is_no_price() -> None:
    entry = table.find("gemini/gemma-3-27b-it")
    assert entry is not None and entry.price is None


def test_litellm_is_not_imported_for_it() -> None:
    code = (
        "import sys; from proxy.accounting.pricing import table;"
        "from proxy.accounting import tokenizers; table.find('gpt-4o');"
        "tokenizers.load('cl100k_base'); sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
