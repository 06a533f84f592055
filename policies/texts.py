"""Places of a request's texts, as data from the code that knows the request's format.

A policy names no member of a request's body. It reads the members that `Request.texts` lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Texts:
    """Members of a request's body, by content.

    - `conversation`: a list of messages, each with contents, thoughts and tool calls.
    - `content`: an object with a content as in a message.
    - `plain`: a text, a list of texts, or token numbers in one or two lists. Numbers are not texts.
    """

    conversation: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    continued: str = ""
    """A member of `plain` whose text the answer goes on from, if it is the only one."""
    echo: str = ""
    """A member that is true where the answer begins with that text instead."""

    @property
    def first(self) -> str:
        """The member that an error about the prompt names."""
        return (*self.conversation, *self.plain, *self.content, "")[0]

    def conversations(self, body: Mapping[str, Any]) -> list[list[Any]]:
        """Return the lists of messages in a body."""
        found = (body.get(name) for name in self.conversation)
        return [value for value in found if isinstance(value, list)]


CONVERSATION: Final = Texts(conversation=("messages",), content=("prediction",))
"""The texts of a request in OpenAI's chat format."""
