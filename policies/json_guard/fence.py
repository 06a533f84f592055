"""A Markdown code fence around an answer: find where it opens, and if the text after the JSON closes it.

```` ``` ```` or ```` ```json ```` at the start of the answer opens a fence. A language needs a line break after it,
except `json`. White space before the fence passes at once. At most `MAX_LENGTH` characters are held to decide. After
the JSON, only the fence's own three backticks and white space may follow.
"""

import re
from typing import Final

MAX_LENGTH: Final = 32
"""Maximum length of the opening line."""

_OPENING = re.compile(r"```([A-Za-z0-9_+. \t-]*)(.?)", re.DOTALL)


class Opening:
    """The beginning of an answer, until it is known if a fence stands there."""

    def __init__(self) -> None:
        self.decided = False
        self.fenced = False
        self.held = ""

    def feed(self, text: str) -> str:
        """Return the part of the text (and of the held text) after the fence, or all of it if there is none."""
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
    """The text after the JSON in a fence."""

    def __init__(self) -> None:
        self._ticks = 0

    def feed(self, text: str) -> int | None:
        """Return the place of the first character that does not belong to the fence's end, or None."""
        for at, char in enumerate(text):
            if char == "`" and self._ticks < 3:
                self._ticks += 1
            elif self._ticks < 3 or char not in " \t\r\n":
                return at
        return None
