"""The SQL that reads a table, a view or a query by the roles of its columns.

Nothing that people type gets into it but as a quoted name or word, or as the query that they wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

WHOLE = {"int2", "int4", "int8"}
# Ids that the database sorts as we do, so that an index on them serves; others go by their bytes.
NATIVE = WHOLE | {"uuid"}


@dataclass(frozen=True)
class Relation:
    """What is read: a table, a view or a query.

    Attributes
    ----------
    name
        What entries have as their source.
    sql
        What stands behind FROM.
    columns
        The types of the columns that may be read, by name.
    roles
        The column of each role.
    versions
        The columns that say which version a row is.
    key
        Whether the ids are known to be distinct.
    """

    name: str
    sql: str
    columns: dict[str, str]
    roles: dict[str, str]
    versions: tuple[str, ...]
    key: bool

    @cached_property
    def values(self) -> dict[str, str]:
        """SQL of each role's value, as words."""
        return {role: self._words(role, column) for role, column in self.roles.items()}

    def _words(self, role: str, column: str) -> str:
        kind, value = self.columns[column], quoted(column)
        if role == "topics" and kind.startswith("_"):
            return f"{value}::text[]"
        if kind not in {"json", "jsonb"}:
            return f"{value}::text"
        if role != "topics":
            return f"({value} #>> '{{}}')"
        return (
            f"CASE jsonb_typeof({value}::jsonb) WHEN 'array' THEN "
            f"ARRAY(SELECT jsonb_array_elements_text({value}::jsonb)) "
            f"WHEN 'string' THEN ARRAY[{value} #>> '{{}}'] END"
        )

    @property
    def id_kind(self) -> str:
        """The type of the ids."""
        return self.columns[self.roles["id"]]

    def order(self) -> str:
        """Write the SQL of the order of the rows, the same at each reading."""
        words = (value for role, value in self.values.items() if role not in {"id", "topics"})
        others = ", ".join(f'{value} COLLATE "C"' for value in words)
        if "id" not in self.roles:
            return others
        native = self.id_kind in NATIVE
        first = quoted(self.roles["id"]) if native else f'{self.values["id"]} COLLATE "C"'
        return first if self.key else f"{first}, {others}"

    def version(self, seed: int) -> str:
        """Write the SQL of a hash of 64 bits that changes with its row."""
        if "id" in self.roles and self.versions:
            named = ", ".join(quoted(name) for name in (self.roles["id"], *self.versions))
            return f"hashtextextended(concat_ws(' ', {named}), {seed})"
        return f"hashtextextended(ROW({', '.join(self.values.values())})::text, {seed})"

    def select(self, roles: list[str], seed: int) -> str:
        """Write the SQL of all rows in order: these roles, and the version."""
        named = ", ".join(f'{self.values[role]} AS "{role}"' for role in roles)
        return (
            f"SELECT {named}, {self.version(seed)} AS version FROM {self.sql} "  # noqa: S608
            f"ORDER BY {self.order()}"
        )

    def texts(self, ids: list[str]) -> str:
        """Write the SQL of the texts of some ids."""
        column, kind = quoted(self.roles["id"]), self.id_kind
        of = column if kind in NATIVE | {"text"} else self.values["id"]
        array = literal("{" + ",".join(f'"{escaped(name)}"' for name in ids) + "}")
        kind = kind if kind in NATIVE else "text"
        return (
            f"SELECT {self.values['id']} AS id, {self.values['text']} AS text "  # noqa: S608
            f"FROM {self.sql} WHERE {of} = ANY ({array}::{kind}[])"
        )


def quoted(name: str) -> str:
    """Write a column's name so that it can only be one, as a part of `q`."""
    return 'q."' + name.replace('"', '""') + '"'


def literal(word: str) -> str:
    """Write a word so that it can only be one."""
    return "'" + word.replace("'", "''") + "'"


def escaped(word: str) -> str:
    """Write a word for between the double quotes of an array."""
    return word.replace("\\", "\\\\").replace('"', '\\"')
