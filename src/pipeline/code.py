"""Which code a step's result depends on, digested so that only what matters counts.

The project's files are read, never run. From a start such as ``steps.train:run`` the names that
a definition loads are followed, through imports, to the definitions they stand for; what is
reached is digested as parsed syntax. Comments, docstrings, formatting, annotations, the order of
definitions and the texts of `param` help therefore never count, and a function that nothing
reaches does not either. Where the reading cannot follow (a module handed on as a value, a star
import) the whole module counts: rather a rerun too many than a wrong reuse.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# A colour must not retrain a model: what only runs steps or shows results does not count. Nor does
# what takes rows out of older results: whom a reading leaves out is in its key by their marks. Nor
# where rows are worked on: the result is the same.
NOT_COUNTED = (
    *("src.pipeline", "src.cards", "src.evaluation.cards", "src.errors", "src.forgetting"),
    "src.engines",
)
WHOLE = "*"
FILE_NAME = re.compile(r"[\w-]+(/[\w.-]+)*\.\w+")


@dataclass(frozen=True)
class Target:
    """What an imported name stands for: `name` in `module`, or the module itself."""

    module: str
    name: str = ""


@dataclass
class Module:
    """A parsed file: what defines each top-level name, and what runs on import besides."""

    path: Path
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Target] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """What one target comes to: its file, the digest of its syntax, and what it leads to."""

    file: str
    digest: str
    leads: tuple[Target, ...]


@dataclass(frozen=True)
class Reached:
    """What a start rests on.

    Attributes
    ----------
    files
        A digest of the reached code for each file.
    foreign
        Names of the modules of others that it imports.
    definitions
        The reached definitions, as file and name.
    """

    files: dict[str, str]
    foreign: frozenset[str]
    definitions: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)


class Reader:
    """Reads one project tree; parses each file once.

    Attributes
    ----------
    digests
        Of each file read so far, by its path below the root.
    there
        Each path below the root where a file was looked for so far, and whether there was one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests = dict[str, str]()
        self.there = dict[str, bool]()
        self.module = cache(self._parse)
        self.file_of = cache(self._find)
        self.piece = cache(self._read)

    def _find(self, dotted: str) -> Path | None:
        """Find a module's file below the root; None for a foreign module."""
        stem = self.root.joinpath(*dotted.split("."))
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if self._is_file(path):
                return path
        return None

    def _is_file(self, path: Path) -> bool:
        return self.there.setdefault(path.relative_to(self.root).as_posix(), path.is_file())

    def _bytes(self, path: Path) -> bytes:
        content = path.read_bytes()
        name = path.relative_to(self.root).as_posix()
        self.digests[name] = hashlib.sha256(content).hexdigest()
        return content

    def _parse(self, dotted: str) -> Module:
        path = self.file_of(dotted)
        if path is None:
            raise ValueError(f"{dotted} is no module of this project")
        module = Module(path)
        tree = Plain().visit(ast.parse(self._bytes(path), filename=str(path)))
        package = dotted if path.name == "__init__.py" else dotted.rpartition(".")[0]
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                module.imports |= dict(bindings(statement, package))
            elif names := list(bound(statement)):
                for name in names:
                    module.definitions.setdefault(name, []).append(statement)
                module.imports |= dict(imports_within(statement, package))
            elif not is_type_checking(statement):
                module.effects.append(statement)
        return module

    def reach(self, starts: Iterable[str]) -> Reached:
        """Follow names from the starts ("package.module:name") to everything they rest on.

        Raises
        ------
        ValueError
            A start names no definition of the project.
        """
        queue = [Target(*start.split(":")) for start in starts]
        for start in queue:
            if start.name not in self.module(start.module).definitions:
                raise ValueError(f"{start.module} defines no {start.name}")
        seen, foreign = set[Target](), set[str]()
        found = dict[str, list[tuple[str, str]]]()
        while queue:
            target = queue.pop()
            if target in seen or target.module.startswith(NOT_COUNTED):
                continue
            seen.add(target)
            if "/" not in target.module and self.file_of(target.module) is None:
                foreign.add(target.module.partition(".")[0])
                continue
            piece = self.piece(target)
            if piece.digest:
                found.setdefault(piece.file, []).append((target.name, piece.digest))
            queue += piece.leads
        files = {name: digest_of(repr(sorted(pieces)))[:16] for name, pieces in found.items()}
        definitions = frozenset((file, name) for file in found for name, _ in found[file])
        return Reached(files, frozenset(foreign - sys.stdlib_module_names), definitions)

    def _read(self, target: Target) -> Piece:
        if "/" in target.module:
            self._bytes(self.root / target.module)
            return Piece(target.module, self.digests[target.module], ())
        module = self.module(target.module)
        statements = module.definitions.get(target.name, []) if target.name else module.effects
        text = "".join(map(ast.dump, statements))
        return Piece(
            module.path.relative_to(self.root).as_posix(),
            digest_of(text) if text else "",
            tuple(set(self._leads(target, module, statements))),
        )

    def _leads(
        self, target: Target, module: Module, statements: list[ast.stmt]
    ) -> Iterator[Target]:
        package = target.module.rpartition(".")[0]
        if package:
            yield Target(package)
        if target.name:
            yield Target(target.module)
        if target.name == WHOLE:
            yield from (Target(target.module, name) for name in module.definitions)
            yield from module.imports.values()
        elif target.name and not statements:
            below = f"{target.module}.{target.name}"
            whole = Target(below if self.file_of(below) else target.module, WHOLE)
            yield module.imports.get(target.name, whole)
        own = target.module if module.path.name == "__init__.py" else package
        for statement in statements:
            yield from self._names(statement, target.module, module, own)
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from (target for _, target in imports_within(statement, own))

    def _names(self, node: ast.AST, dotted: str, module: Module, own: str) -> Iterator[Target]:
        local = dict(imports_within(node, own))
        handled = set[ast.AST]()
        for part, shadowed in scoped(node, frozenset()):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from self._named_file(part.value)
            if part in handled or not isinstance(part, ast.Attribute | ast.Name):
                continue
            chain = list[str]()
            base: ast.AST = part
            while isinstance(base, ast.Attribute):
                handled.add(base)
                chain.insert(0, base.attr)
                base = base.value
            if not isinstance(base, ast.Name) or base.id in shadowed:
                continue
            handled.add(base)
            target = local.get(base.id) or module.imports.get(base.id)
            if target and base.id not in module.definitions and isinstance(base.ctx, ast.Load):
                yield self._along(target, chain)
            elif base.id in module.definitions:
                yield Target(dotted, base.id)

    def _along(self, target: Target, chain: list[str]) -> Target:
        """Walk `module.sub.name` down to the definition it names."""
        if target.name and self.file_of(f"{target.module}.{target.name}"):
            target = Target(f"{target.module}.{target.name}")
        while not target.name and chain and self.file_of(target.module):
            name = chain.pop(0)
            below = f"{target.module}.{name}"
            target = Target(below) if self.file_of(below) else Target(target.module, name)
        return target if target.name else Target(target.module, WHOLE)

    def _named_file(self, text: str) -> Iterator[Target]:
        """Count a file of the project that a string names."""
        if "/" not in text or len(text) > 200 or not FILE_NAME.fullmatch(text):
            return
        path = self.root / text
        if not self._is_file(path):
            return
        if path.suffix == ".py":
            yield Target(text.removesuffix(".py").replace("/", "."), WHOLE)
        else:
            yield Target(text)


class Plain(ast.NodeTransformer):
    """Takes out what cannot change a result: docstrings, annotations, the help of parameters."""

    def __init__(self) -> None:
        self.fields = set[ast.AST]()

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop bare strings."""
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep the annotations of fields: they make a dataclass what it is."""
        self.fields |= {part for part in node.body if isinstance(part, ast.AnnAssign)}
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Drop the annotation of a variable."""
        if node not in self.fields:
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop an argument's annotation."""
        node.annotation = None
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Reduce `param(…)` to its name: its value counts as a parameter."""
        if isinstance(node.func, ast.Name) and node.func.id == "param":
            return node.func
        return self.generic_visit(node)


def digest_of(text: str) -> str:
    """Digest a text to 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_type_checking(node: ast.AST) -> bool:
    """Tell `if TYPE_CHECKING:`, which never runs."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def scoped(node: ast.AST, shadowed: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Walk a statement; beside each part, the names that functions around it bind themselves."""
    yield node, shadowed
    inside: list[ast.AST] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inside = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        parts = [part for child in inside for part in ast.walk(child)]
        given = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
        stored = {p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
        shared = {n for p in parts if isinstance(p, ast.Global) for n in p.names}
        # A function inside may bind a name that the one around it means otherwise.
        deeper = {
            name
            for part in parts
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for name in {p.id for p in ast.walk(part) if isinstance(p, ast.Name)}
        }
        local = shadowed | given | (stored - shared - deeper)
        for child in inside:
            yield from scoped(child, frozenset(local))
    for child in ast.iter_child_nodes(node):
        if child not in inside:
            yield from scoped(child, shadowed)


def bindings(node: ast.stmt, package: str) -> Iterator[tuple[str, Target]]:
    """List the names that an import statement binds, each with what it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            dotted = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or dotted, Target(dotted)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        source = ".".join(([*above] if node.level else []) + ([node.module] if node.module else []))
        for alias in node.names:
            yield alias.asname or alias.name, Target(source, alias.name)


def imports_within(node: ast.AST, package: str) -> list[tuple[str, Target]]:
    """List the names that imports inside a statement bind."""
    if is_type_checking(node):
        return []
    imports = (p for p in ast.walk(node) if isinstance(p, ast.Import | ast.ImportFrom))
    return [binding for part in imports for binding in bindings(part, package)]


def bound(node: ast.stmt) -> Iterator[str]:
    """List the names that a top-level statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif not isinstance(node, ast.Expr) and not is_type_checking(node):
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.Import | ast.ImportFrom):
                yield from (name for name, _ in bindings(part, ""))
            elif isinstance(part, ast.FunctionDef | ast.ClassDef):
                yield part.name
