"""What is written from the declared steps: MLproject, the README's table, `--help`."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from src.pipeline.answers import StepAnswer, shape
from src.pipeline.console import SCHEMA
from src.pipeline.jobs import Options
from src.pipeline.space import space_of
from src.pipeline.step import ROOT, Command, Step, build, chain_steps, entry_points, fields_of

NAME = "journal-models"
YAML_TRUTHS = {"yes", "no", "on", "off"}  # words that YAML takes for true or false
Field = dataclasses.Field[Any]


@dataclasses.dataclass(frozen=True)
class Line:
    """A parameter as people see it."""

    name: str
    default: str
    kind: str
    help: str


def line(declared: Field) -> Line:
    """Describe a declared parameter."""
    rule, default = declared.metadata, declared.default
    kind = "string" if isinstance(default, bool | str) else "float"
    limits = ", ".join(rule["choices"]) or " to ".join(
        f"{bound:g}" for bound in (rule["low"], rule["high"]) if bound is not None
    )
    if rule["low"] is not None and rule["high"] is None:
        limits = f"at least {rule['low']:g}"
    if rule["search"]:
        limits += f"; trials search {space_of(declared)}"
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    return Line(declared.name, shown, kind, rule["help"] + (f" ({limits})" if limits else ""))


def lines(entry: Step | Command) -> list[Line]:
    """List the parameters of an entry point; one that several steps declare stands once."""
    found = {f.name: line(f) for f in fields_of(entry.params).values()}
    if isinstance(entry, Step):
        for name in entry.reads:
            help_text = f"Where {name} is, as runs:/<id>/{name}; the newest that fits if empty"
            found[name] = Line(name, "", "string", help_text)
        found |= {f.name: line(f) for f in fields_of(Options).values()}
    elif entry.over_steps:
        for step in chain_steps().values():
            for declared in fields_of(step.params).values():
                found.setdefault(declared.name, line(declared))
    return list(found.values())


def render_mlproject() -> str:
    """Write the MLproject file."""
    text = f"# Written from the declared steps by `make docs`.\nname: {NAME}\n\n"
    text += "python_env: python_env.yaml\n\nentry_points:\n"
    for name, entry in entry_points().items():
        text += f"  {name}:\n    parameters:\n"
        for p in lines(entry):
            default = p.default if p.kind == "float" else f'"{p.default}"'
            key = f'"{p.name}"' if p.name in YAML_TRUTHS else p.name
            text += f"      {key}: {{type: {p.kind}, default: {default}}}\n"
        given = " ".join(f"--{p.name} {{{p.name}}}" for p in lines(entry))
        text += f'    command: "python -m steps {name} {given}"\n'
    return text


def render_table() -> str:
    """Write the README's table of entry points."""
    text = "| entry point | what it does | reads | writes | parameters (default) |\n"
    text += "|---|---|---|---|---|\n"
    for name, entry in entry_points().items():
        reads, writes = (
            (", ".join(entry.reads), ", ".join(entry.writes))
            if isinstance(entry, Step)
            else ("", "")
        )
        own = fields_of(entry.params)
        shown = ", ".join(
            f"`{p.name}`" + (f" ({p.default})" if p.default else "")
            for p in lines(entry)
            if p.name in own
        )
        if isinstance(entry, Command) and entry.over_steps:
            shown += ", and those of every step"
        text += f"| `{name}` | {entry.help} | {reads} | {writes} | {shown} |\n"
    return text


def render_files() -> str:
    """Write a line per file: the first of its docstring."""
    text = ""
    for folder in ("steps", "src", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            said = ast.get_docstring(ast.parse(path.read_bytes())) or ""
            if said:
                text += f"- `{path.relative_to(ROOT)}`: {said.partition(chr(10))[0]}\n"
    return text


def render_readme(readme: str) -> str:
    """Put what is generated between its marks in the README."""
    for name, content in (("steps", render_table()), ("files", render_files())):
        start, end = f"<!-- {name}: written by `make docs` -->", f"<!-- /{name} -->"
        head, _, rest = readme.partition(start)
        readme = f"{head}{start}\n\n{content}\n{end}{rest.partition(end)[2]}"
    return readme


def overview(known: Mapping[str, Step | Command]) -> str:
    """Write the help of `python -m steps`."""
    rows = "".join(f"  {name:<10} {entry.help}\n" for name, entry in known.items())
    return (
        "usage: python -m steps NAME [-P name=value …] [--json] [--quiet] [--verbose] [--help]\n\n"
        f"{rows}\nThe same from anywhere: mlflow run <folder or git URI> -e NAME -P name=value\n"
        "--quiet says errors and the last result; --verbose all that steps print. NO_COLOR holds.\n"
        "Exit codes: 0 done, 1 failed, 2 a mistake to put right, 3 finished with a verdict against."
    )


def usage(entry: Step | Command, typed: Mapping[str, str]) -> str:
    """Write the help of one entry point, with the parameters of the parts that were picked."""
    bare = entry.words if isinstance(entry, Command) else ()
    called = " ".join([entry.name, *(f"[{word}]" for word in bare)])
    text = f"usage: python -m steps {called} [-P name=value …] [--json]\n\n{entry.help}\n\n"
    text += "".join(help_rows(lines(entry)))
    if isinstance(entry, Step):
        parts = entry.parts(build(entry.params, typed))
        for part in parts:
            common = fields_of(entry.params)
            extra = [line(f) for n, f in fields_of(part.params).items() if n not in common]
            if extra:
                text += (
                    f"\nParameters of {getattr(part.value, 'name', 'going on from a version')}:\n\n"
                )
                text += "".join(help_rows(extra))
    answer = StepAnswer if isinstance(entry, Step) else entry.answer
    if answer:
        text += f"\n--json prints schema {SCHEMA}, an object of:\n\n"
        text += "".join(f"  {name}: {shape(of)}\n" for name, of in get_type_hints(answer).items())
    return text.rstrip()


def help_rows(found: list[Line]) -> Iterator[str]:
    """Line up parameters, defaults and help."""
    width = max((len(p.name) for p in found), default=0)
    for p in found:
        default = f" [{p.default}]" if p.default else ""
        yield f"  {p.name:<{width}}  {p.help}.{default}\n"


def write() -> None:
    """Write MLproject and the README's table."""
    (ROOT / "MLproject").write_text(render_mlproject(), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(render_readme(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
