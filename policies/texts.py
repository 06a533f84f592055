"""Where the texts of a request are: data that whoever knows the request's format gives to the policies.

Rule: a policy names no member of a request's body by itself. It reads the members that `Request.texts` lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Texts:
    """Members of a request's body, by what they hold.

    `conversation`: a list of messages, each with contents, thoughts and tool calls. `content`: an object with a content
    as a message has it. `plain`: a text, a list of texts, or token numbers in one or two lists. Numbers are no texts.
    """

    conversation: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The member that an error about the prompt names."""
        return (*self.conversation, *self.plain, *self.content, "")[0]

    def conversations(self, body: Mapping[str, Any]) -> list[list[Any]]:
        """The lists of messages that a body has."""
        found = (body.get(name) for name in self.conversation)
        return [value for value in found if isinstance(value, list)]


CONVERSATION: Final = Texts(conversation=("messages",), content=("prediction",))
"""The texts of a request in OpenAI's chat format."""
