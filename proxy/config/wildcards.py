"""Names of which some hold one `*`: which of them take a name.

Rule: the work for a name follows from its length, not from how many names there are. A configuration may have thousands
of each, and all are looked up when it is loaded.
"""

from collections.abc import Iterable, Iterator


class Wildcards:
    """Some names, of which those with a `*` stand for others. One with several is none."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._around: dict[str, dict[str, str]] = {}
        """The names with a `*` by what stands before it, then by what stands behind it."""
        for name in self._names:
            before, star, after = name.partition("*")
            if star and "*" not in after:
                self._around.setdefault(before, {})[after] = name

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def taking(self, name: str) -> Iterator[tuple[str, str]]:
        """The names with a `*` that take `name`, in no order, each with what its `*` takes, which may be nothing."""
        for size in range(len(name) + 1):
            rest = name[size:]
            endings = self._around.get(name[:size], {})
            if len(endings) > len(rest):
                found = [rest[at:] for at in range(len(rest) + 1) if rest[at:] in endings]
            else:
                found = [ending for ending in endings if rest.endswith(ending)]
            for ending in found:
                yield endings[ending], rest[: len(rest) - len(ending)]
