"""A Markdown code fence around an answer: where it opens, and whether what follows the JSON closes it.

Rule. ```` ``` ```` or ```` ```json ```` as the first thing of the answer opens a fence: after a language there is a
line break, except after `json`. White space before it goes on at once; at most `MAX_LENGTH` characters are held to
tell. Behind the JSON the fence's own three backticks may stand, and nothing but white space.
"""

import re
from typing import Final

MAX_LENGTH: Final = 32
"""How long the opening line may be."""

_OPENING = re.compile(r"```([A-Za-z0-9_+. \t-]*)(.?)", re.DOTALL)


class Opening:
    """The beginning of an answer, until it is known whether a fence stands there."""

    def __init__(self) -> None:
        self.decided = False
        self.fenced = False
        self.held = ""

    def feed(self, text: str) -> str:
        """What of the text (and of what was held) comes after the fence, or is all when there is none."""
        if self.decided:
            return text
        bare = text if self.held else text.lstrip(" \t\r\n")
        if not self.held and not bare.startswith("`"):
            self.decided = bare != ""
            return text
        self.held += bare
        return text[: len(text) - len(bare)] + self._decide()

    def _decide(self) -> str:
        if len(self.held) < 3 and "```".startswith(self.held):
            return ""
        found = _OPENING.match(self.held)
        if found and not found[2] and len(self.held) <= MAX_LENGTH:
            return ""
        self.decided = True
        held, self.held = self.held, ""
        if found is None or found.end(1) > MAX_LENGTH or not _opens(found[1], found[2]):
            return held
        self.fenced = True
        return held[found.end(1) :]


def _opens(language: str, after: str) -> bool:
    return after in ("\r", "\n") or (after != "`" and language.strip().lower() in ("", "json"))


class Closing:
    """What follows the JSON in a fence."""

    def __init__(self) -> None:
        self._ticks = 0

    def feed(self, text: str) -> int | None:
        """The place of the first character that is not of the fence's end."""
        for at, char in enumerate(text):
            if char == "`" and self._ticks < 3:
                self._ticks += 1
            elif self._ticks < 3 or char not in " \t\r\n":
                return at
        return None
