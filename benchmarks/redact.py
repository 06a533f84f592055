"""Cost of the redaction engine and the text that it holds: `scripts/bench redact [section …]`.

The sections are cost, events, hostile, memory, slices, hold, minimal, and peers (`redact_peers`). Times are CPU time of
this process, in microseconds for each chunk of four characters. Cold is the first pass over a text with a new policy,
and warm is a later pass. Texts are real: the package descriptions (English) and standard library (code) of this
interpreter, and a page of Chinese. Word lists and custom patterns are made up, from a fixed seed.
"""

import argparse
import gc
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from policies.base import Context
from policies.events import Text, ToolCall
from policies.redact import Redactor
from policies.redact.config import RedactConfig
from policies.redact.entities import ENTITIES, SETS
from policies.redact.policy import build

Rules = list[dict[str, Any]]
SIZE = 120_000
CHINESE = (
    "去年冬天，我們把辦公室搬到了河的對岸。新的大樓不高，只有六層，但每一層都有朝南的窗子，下午的陽光可以一直照到走廊盡頭。"
    "同事們起初抱怨交通不便，後來發現從車站走過來只要十分鐘，路上還有一家很好的麵包店，抱怨聲就漸漸少了。"
    "三月的時候，技術部完成了新系統的第一個版本。測試進行了兩個星期，一共找到四十七個問題，其中大部分與資料格式有關。"
    "負責人說：「如果使用者輸入的日期不完整，系統就應該提示，而不是自己猜測。」大家都同意這個意見，於是又花了五天修改。"
    "上線那天沒有舉行儀式，只是在群組裡發了一則訊息。客戶的反應比預期平靜，第二天收到的來信裡，有一半是在問帳號怎麼設定，"
    "另一半是在問價格。經理把這些問題整理成一份文件，放在網站上，從此以後，電話就少了很多。"
    "到了秋天，公司決定把服務開放給更多的城市。台北、高雄、上海和東京的團隊每週開一次視訊會議，討論各地的法規和習慣有什麼不同。"
    "有人建議先做一個小規模的試驗，觀察三個月，再決定是否擴大。這個建議看起來保守，可是事後證明是對的。"
)
HOSTILE = [
    ("(a+)+Z", "a"),
    ("(?:.*a){20}Z", "a"),
    (r"\d{1,50}Z", "1"),
    ("(?:a|b)*a(?:a|b){20}Z", "ab"),
    ("a.{200}Z", "a"),
    ("a.{400}Z", "ab"),
    ("a.{0,200}b.{0,200}Z", "ab"),
]


def english() -> str:
    """Return the descriptions of the installed packages."""
    texts = sorted((d.metadata.get_payload() or "" for d in distributions()), key=len)  # type: ignore[attr-defined]
    return "\n".join(str(t) for t in texts)[-3 * SIZE :][:SIZE]


def code() -> str:
    """Return modules of the standard library."""
    paths = (argparse.__file__, statistics.__file__, tracemalloc.__file__)
    return "".join(Path(path).read_text(encoding="utf-8") for path in paths)[:SIZE]


def made_up_words(count: int) -> list[str]:
    rng = random.Random(7)
    return ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(5, 10))) for _ in range(count)]


def custom(count: int) -> Rules:
    """Make patterns as operators write them: ticket numbers, internal hosts, code names."""
    forms = (
        r"(?<![A-Za-z0-9]){0}-[0-9]{{4,8}}",
        r"(?i:{1})[-_ ]?[0-9]{{3,}}",
        r"{1}\.(?:internal|corp)\.example",
        r"\b{1}s?\b",
        r"{0}_[A-Za-z0-9]{{12,}}",
    )
    words = made_up_words(count)
    return [
        {"name": f"custom-{i}", "regex": forms[i % len(forms)].format(w[:4].upper(), w)} for i, w in enumerate(words)
    ]


def policies() -> dict[str, Rules]:
    """Return the rules of each policy by its name."""
    entities: Rules = [{"name": name, "entity": name} for name in SETS]
    word_list: Rules = [{"name": "words", "words": made_up_words(10_000)}]
    return {
        "1 rule": [{"name": "key", "entity": "private_key"}],
        "20 rules": [{"name": n, "entity": n} for n in list(ENTITIES)[:20]],
        "pii + secrets": entities[:2],
        "all entities": entities,
        "100 regexes": custom(100),
        "1k words": [{"name": "words", "words": made_up_words(1_000)}],
        "10k words": word_list,
        "all": [*entities, *custom(100), *word_list],
    }


def events() -> None:
    """Measure the whole policy, from event to event, and the JSON of tool arguments."""
    config = RedactConfig.model_validate({"rules": policies()["all"]})
    pieces = chunks(english()[:60_000])
    arguments = chunks(json.dumps({"text": english()[:60_000], "n": 12}))
    for name, feed in (
        ("content", [Text(0, "content", piece) for piece in pieces]),
        ("tool arguments", [ToolCall(0, 0, arguments=piece) for piece in arguments]),
    ):
        for _ in range(2):
            policy = build("redact/bench", config, Context("m", time.monotonic))
            spent = timed(lambda policy=policy, feed=feed: [list(policy.feed(event)) for event in feed])  # type: ignore[misc]
        print(f"{name:16}{spent / len(feed) * 1e6:8.2f} us/event, warm")


def chunks(text: str) -> list[str]:
    return [text[i : i + 4] for i in range(0, len(text), 4)]


def timed(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def feed_all(redactor: Redactor, pieces: Sequence[str]) -> Callable[[], None]:
    def run() -> None:
        stream = redactor.stream()
        for piece in pieces:
            stream.feed(piece)
        stream.close()

    return run


def cost() -> None:
    texts = {"English": english(), "code": code(), "Chinese": CHINESE * 40}
    print(f"{'policy':16}{'build ms':>9}" + "".join(f"{name + ' cold':>14}{'warm':>7}" for name in texts))
    for name, rules in policies().items():
        row = f"{name:16}{timed(lambda rules=rules: Redactor(rules)) * 1e3:9.0f}"  # type: ignore[misc]
        for text in texts.values():
            run, count = feed_all(Redactor(rules), chunks(text)), len(text) / 4
            cold = timed(run)
            row += f"{cold / count * 1e6:14.2f}{min(timed(run), timed(run)) / count * 1e6:7.2f}"
        print(row, flush=True)


def hostile() -> None:
    print(f"{'pattern':28}{'nodes':>6}{'us/char cold':>14}{'warm':>8}")
    for pattern, letters in HOSTILE:
        redactor = Redactor([{"name": "r", "regex": pattern}])
        rng = random.Random(3)
        text = "".join(rng.choice(letters) for _ in range(3_000))
        run = feed_all(redactor, chunks(text))
        cold, warm = timed(run), timed(run)
        print(f"{pattern:28}{redactor.sizes['r']:6}{cold / len(text) * 1e6:14.2f}{warm / len(text) * 1e6:8.2f}")
    redactor = Redactor(policies()["all"])
    rng = random.Random(4)
    junk = "".join(chr(rng.randint(33, 126)) for _ in range(40_000))
    run = feed_all(redactor, chunks(junk))
    cold, warm = timed(run), timed(run)
    print(f"{'all, random ASCII':28}{'':6}{cold / len(junk) * 1e6:14.2f}{warm / len(junk) * 1e6:8.2f}")


def memory() -> None:
    rules = policies()["all"]
    tracemalloc.start()
    redactor = Redactor(rules)
    built = tracemalloc.get_traced_memory()[0]
    feed_all(redactor, chunks(english()))()
    warm = tracemalloc.get_traced_memory()[0]
    streams = [redactor.stream() for _ in range(1_000)]
    for stream in streams:
        stream.feed("mail to bob@ex")
    each = (tracemalloc.get_traced_memory()[0] - warm) / len(streams)
    tracemalloc.stop()
    print(
        f"policy 'all': {built / 2**20:.1f} MiB built, {warm / 2**20:.1f} MiB after English; a stream {each:.0f} bytes"
    )


def slices() -> None:
    cases = {"all, English": (policies()["all"], english()), "all, code": (policies()["all"], code())}
    cases["all, random ASCII"] = (
        policies()["all"],
        "".join(map(chr, random.Random(5).choices(range(33, 127), k=20_000))),
    )
    for pattern, letters in HOSTILE:
        text = "".join(random.Random(3).choices(letters, k=3_000))
        cases[pattern] = [{"name": "r", "regex": pattern}], text
    print("in microseconds; the last column with garbage collections, after gc.freeze() as the gateway does it")
    print(f"{'one huge chunk':28}{'slices':>7}{'mean':>8}{'p99':>8}{'max':>8}{'with gc':>9}")
    for name, (rules, text) in cases.items():
        gc.collect()
        gc.disable()
        times = sorted(t * 1e6 for t in _gaps(Redactor(rules).stream().pieces(text)))
        redactor = Redactor(rules)
        gc.collect()
        gc.freeze()
        gc.enable()
        collected = max(_gaps(redactor.stream().pieces(text))) * 1e6
        gc.unfreeze()
        p99 = times[int(len(times) * 0.99)]
        print(f"{name:28}{len(times):7}{statistics.mean(times):8.0f}{p99:8.0f}{times[-1]:8.0f}{collected:9.0f}")


def _gaps(pieces: Iterator[str]) -> Iterator[float]:
    while True:
        begun = time.thread_time()
        if next(pieces, None) is None:
            return
        yield time.thread_time() - begun


def hold() -> None:
    print(f"{'policy':16}" + "".join(f"{name:>20}" for name in ("English", "code", "Chinese")) + "   (mean / max held)")
    for name, rules in policies().items():
        redactor, row = Redactor(rules), f"{name:16}"
        for text in (english(), code(), CHINESE):
            stream, held = redactor.stream(), []
            for piece in chunks(text):
                stream.feed(piece)
                held.append(stream.held)
            row += f"{statistics.mean(held):13.2f} / {max(held):4}"
        print(row, flush=True)


def minimal() -> None:
    """Compare the output of random rules and prefixes with the common prefix of all continuations' outputs."""
    from itertools import product

    from policies.redact import RuleError
    from tests.policies.redact import random_rules
    from tests.policies.redact.oracle import oracle_rule, redacted

    rng = random.Random(11)
    tails = ["".join(t) for n in range(4) for t in product("abc1 \n", repeat=n)]
    exact = early = total = 0
    while total < 4_000:
        specs = [random_rules.rule(rng, f"r{i}") for i in range(rng.randint(1, 3))]
        for label, spec in zip("ABC", specs, strict=False):  # no two labels begin with the same character
            spec["replace"] = label
        try:
            redactor = Redactor(specs)
        except RuleError:
            continue
        rules = [oracle_rule(spec) for spec in specs]
        text = random_rules.text(rng, 8, exotic=False)
        out = redactor.stream().feed(text)
        common: str | None = None
        for tail in tails:
            whole = redacted(rules, text + tail)
            common = whole if common is None else _common(common, whole)
            if len(common) <= len(out):
                break
        assert common is not None
        total += 1
        exact += len(common) == len(out)
        early += len(common) < len(out)
    print(f"prefixes {total}: hold exactly optimal {exact / total:.1%}, let go too early {early}")


def _common(a: str, b: str) -> str:
    size = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:size]


SECTIONS = {f.__name__: f for f in (cost, events, hostile, memory, slices, hold, minimal)}


def run(sections: Sequence[str]) -> None:
    """Print the figures of the named sections."""
    for section in sections:
        print(f"\n== {section}")
        SECTIONS[section]()
