"""Where the models' fallbacks lead, as plain data says it.

Rule: each walk is linear in models and fallbacks. A file may have tens of thousands of both.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.config.plain import items
from proxy.config.resolve import entries
from proxy.config.wildcards import Wildcards


class Links:
    """The models of a configuration's data, and their fallbacks."""

    def __init__(self, models: Mapping[str, Any]) -> None:
        self._wildcards = Wildcards(models)
        self._next = {name: self._led_to(model) for name, model in models.items()}
        self._ring: dict[str, int] = {}
        self._find_rings()

    def entry(self, name: str) -> str | None:
        """The model that takes a name."""
        return next((pattern for pattern, _ in entries(self._wildcards, name)), None)

    def leads_back(self, name: str, entry: str) -> bool:
        """Whether a model's fallback, `entry`, leads to the model again."""
        return self._ring[name] == self._ring[entry]

    def reached(self, name: str, seen: set[str]) -> Iterator[str]:
        """The model and all that its fallbacks lead to, but for what was `seen`; then it is."""
        waiting = [name]
        while waiting:
            model = waiting.pop()
            if model not in seen:
                seen.add(model)
                yield model
                waiting += reversed(self._next[model])

    def _led_to(self, model: Any) -> list[str]:
        given = [fallback for fallback in items(model, "fallbacks") if isinstance(fallback, str)]
        return [entry for fallback in dict.fromkeys(given) if (entry := self.entry(fallback))]

    def _find_rings(self) -> None:
        """Number the strongly connected components: Kosaraju's way, without recursion."""
        order: list[str] = []
        seen: set[str] = set()
        for name in self._next:
            self._postorder(name, seen, order)
        before: dict[str, list[str]] = {name: [] for name in self._next}
        for name, following in self._next.items():
            for other in following:
                before[other].append(name)
        for number, name in enumerate(reversed(order)):
            waiting = [name]
            while waiting:
                model = waiting.pop()
                if model not in self._ring:
                    self._ring[model] = number
                    waiting += before[model]

    def _postorder(self, name: str, seen: set[str], order: list[str]) -> None:
        if name in seen:
            return
        seen.add(name)
        path = [(name, iter(self._next[name]))]
        while path:
            model, following = path[-1]
            other = next((one for one in following if one not in seen), None)
            if other is None:
                order.append(model)
                path.pop()
            else:
                seen.add(other)
                path.append((other, iter(self._next[other])))
