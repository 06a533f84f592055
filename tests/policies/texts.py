"""Difficult texts for token counters, and ways to cut a text into pieces."""

from hypothesis import strategies as st

SAMPLES = (
    "The quick brown fox doesn't jump; it'll walk, you're told. They'd've gone at 12:30!",
    "def f(x: int) -> str:\n    if x > 1000000:\n\t\treturn 'a' * x  # comment\n\n\n    return None\r\n",
    "繁體中文的句子，沒有空格。「引號」與標點：都在這裡！用Python寫的123行程式碼。",
    "😀😃👨‍👩‍👧‍👦🇹🇼 emoji 🎉🎉🎉🎉 run, é à ü, naïve café, Straße, Ελληνικά, Привет мир",
    "<|endoftext|> <|im_start|>user<|im_end|> <|fim_prefix|><|endofprompt|>",
    "a  b   c" + " " * 40 + "d\n\n \n\t e" + "x" * 50 + "!" * 30 + "9" * 40 + "\n" * 20 + "end",
    "ภาษาไทยไม่มีช่องว่าง हिन्दी में लिखा 한국어 문장입니다。日本語のテキスト、カタカナー",
    "https://example.com/a/b?c=d&e=%20f#g YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo= 3.14159e-10",
    "\u2028 \u00a0\u3000x\x85y\x1cz ſ'ſ don'ſ I'LL 'Re can't' ''s\u0301 e\u0301'l'l",
)

_ALPHABET = "ab Z'slrevt09.,/-_(\n\r\t é中，。文ー々\u0301\u3000\x1c\u00a0😀🏽ſ<|>"
odd_texts = st.text(st.sampled_from(_ALPHABET), max_size=60) | st.text(max_size=40)
texts = odd_texts | st.lists(st.sampled_from(SAMPLES) | odd_texts, max_size=4).map("".join)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """Some way to cut a text into pieces."""
    size = draw(st.sampled_from((1, 2, 5, 17, 1000)))
    if size == 1000:
        places = sorted(draw(st.sets(st.integers(0, max(0, len(text))), max_size=6)))
        return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    return [text[i : i + size] for i in range(0, len(text), size)]
