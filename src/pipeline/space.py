"""Which values of a parameter a search tries, and what of a part's parameters counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass
from typing import Any

from src.pipeline.step import Part, Value, build, content_of, fields_of

PREFIX = "search."  # before a parameter's name: its space stands in the key, and not one value


@dataclass(frozen=True)
class Space:
    """The values of one parameter that a search tries.

    Attributes
    ----------
    first
        What is tried first: the parameter's default.
    values
        The words to choose from; of a number the lowest and the highest.
    log
        Whether a number is drawn evenly by its logarithm.
    """

    first: Value
    values: tuple[Value, ...]
    log: bool

    @property
    def is_range(self) -> bool:
        """Whether numbers are drawn between two ends; else one of the values is chosen."""
        return not isinstance(self.first, bool | str)

    def __str__(self) -> str:
        if not self.is_range:
            return " or ".join(str(value) for value in self.values)
        return " to ".join(f"{value:g}" for value in self.values) + ", log" * self.log


def space_of(declared: Field[Any]) -> Space:
    """Give the space that a parameter declares."""
    default: Any = declared.default
    return Space(default, declared.metadata["search"], declared.metadata["log"])


def spaces_of(params: type) -> dict[str, Space]:
    """Give the spaces that a params model declares, by name."""
    declared = fields_of(params).items()
    return {name: space_of(field) for name, field in declared if field.metadata["search"]}


def free_spaces(part: Part, typed: Mapping[str, str]) -> dict[str, Space]:
    """Give the spaces that are searched: of a searched part, for what was not typed."""
    spaces = spaces_of(part.params) if part.searched else {}
    return {name: space for name, space in spaces.items() if name not in typed}


def counted_of(part: Part, typed: Mapping[str, str]) -> dict[str, Value]:
    """Give what counts for reuse of a part's parameters.

    Of one that is searched that is where the search starts and what it may try, under a name of
    its own: neither its default nor the value found could be told from the same value typed.
    """
    values = content_of(build(part.params, typed))
    free = free_spaces(part, typed)
    searched = {PREFIX + name: f"{space.first}; {space}" for name, space in free.items()}
    return {name: value for name, value in values.items() if name not in free} | searched
