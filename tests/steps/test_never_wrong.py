"""Reuse must not miss anything: what runs is held against what was read, edits are generated."""

from __future__ import annotations

import ast
import functools
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from src.pipeline.code import NOT_COUNTED, Reader
from src.pipeline.execute import execute
from src.pipeline.step import ROOT, Step, all_steps, build
from src.training.family import families
from tests.fakes import copy_project, made_up_entries, tracking, write_csv

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for part in ("src", "steps")
    for path in (ROOT / part).rglob("*.py")
)
COUNTED = [
    n for n in SOURCES if not n.removesuffix(".py").replace("/", ".").startswith(NOT_COUNTED)
]


def codes(step: Step, typed: dict[str, str]) -> list[str]:
    params = build(step.params, typed)
    return [step.code, *(start for part in step.parts(params) for start in part.code)]


def all_codes() -> dict[str, list[str]]:
    """Where the code of every step starts, for every family."""
    return {
        f"{step.name} {title}": codes(step, {"model": family.task.name, "family": family.name})
        for step in all_steps().values()
        for title, family in families().items()
    }


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real store for this process, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNAL_KEY_FILE", str(tmp_path / "key"))
    from src.pipeline.runs import Store

    with tracking(f"sqlite:///{tmp_path}/mlflow.db"):
        yield Store()


FEW = settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
    suppress_health_check=list(HealthCheck),
)


class Watch:
    """Notes which of the project's definitions are called."""

    def __init__(self) -> None:
        self.called: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith((f"{ROOT}/src/", f"{ROOT}/steps/")):
            file = Path(name).relative_to(ROOT).as_posix()
            top = frame.f_code.co_qualname.partition(".")[0]
            if file in COUNTED and not top.startswith("<") and not self.by_others(frame):
                self.called.add((file, top))

    @staticmethod
    def by_others(frame: FrameType | None) -> bool:
        """Tell what is called while a module is imported, or by the engine and the cards.

        The former makes definitions, which count themselves; the latter do not count.
        """
        while frame is not None and frame.f_code.co_filename != __file__:
            name = frame.f_code.co_filename
            inside = name.removeprefix(f"{ROOT}/").removesuffix(".py").replace("/", ".")
            if name.startswith("<frozen importlib") or inside.startswith(NOT_COUNTED):
                return True
            frame = frame.f_back
        return False

    def around(self, run: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(run)
        def watched(context: Any) -> None:
            sys.setprofile(self)
            try:
                run(context)
            finally:
                sys.setprofile(None)

        return watched


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("model", ["sentiment", "topics"])
def test_every_definition_that_a_step_calls_counts_for_it(
    own_store: Any, tmp_path: Path, model: str
) -> None:
    journal = write_csv(tmp_path / "journal.csv", made_up_entries(1200))
    typed = {"source": str(journal), "model": model, "n_resamples": "100", "workers": "1"}
    typed |= {"n_topics": "4"} if model == "topics" else {"family": "linear"}
    for step in all_steps().values():
        watch = Watch()
        execute(replace(step, run=watch.around(step.run)), typed, all_steps(), own_store, print)
        reached = Reader(ROOT).reach(codes(step, typed)).definitions
        assert len(watch.called) >= 2
        assert watch.called <= reached, step.name


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("edits"))


def digests(project: Path) -> dict[str, dict[str, str]]:
    reader = Reader(project)
    return {title: reader.reach(starts).files for title, starts in all_codes().items()}


def unparsed(text: str, draw: random.Random) -> str:
    """Other formatting, no comments, other quotes."""
    return ast.unparse(ast.parse(text))


def commented(text: str, draw: random.Random) -> str:
    """A comment before a statement."""
    lines = text.splitlines(keepends=True)
    starts = [node.lineno - 1 for node in ast.parse(text).body]
    if starts:
        lines.insert(draw.choice(starts), f"# note {draw.random()}\n")
    return "".join(lines)


def documented(text: str, draw: random.Random) -> str:
    """Another docstring for a function or a class."""
    tree = ast.parse(text)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    if found:
        node = draw.choice(found)
        if ast.get_docstring(node) is not None:
            node.body.pop(0)
        node.body.insert(0, ast.Expr(ast.Constant(f"Says {draw.random()}.")))
    return ast.unparse(tree)


def extended(text: str, draw: random.Random) -> str:
    """A function that nothing reaches."""
    return f"{text}\n\ndef unreached_{draw.randrange(10**9)}(x):\n    return x + 1\n"


def reordered(text: str, draw: random.Random) -> str:
    """Imports of one block in another order."""
    tree = ast.parse(text)
    places = [
        i
        for i, n in enumerate(tree.body)
        if isinstance(n, ast.ImportFrom | ast.Import) and getattr(n, "module", "") != "__future__"
    ]
    moved = [tree.body[i] for i in places]
    draw.shuffle(moved)
    for place, node in zip(places, moved, strict=True):
        tree.body[place] = node
    return ast.unparse(tree)


HARMLESS = [unparsed, commented, documented, extended, reordered]


@pytest.mark.unit
@pytest.mark.slow
@FEW
@given(
    edits=st.lists(
        st.tuples(st.sampled_from(SOURCES), st.sampled_from(HARMLESS)), min_size=3, max_size=9
    ),
    seed=st.integers(0, 10**6),
)
def test_any_number_of_harmless_edits_changes_no_key(
    project: Path, edits: list[tuple[str, Callable[[str, random.Random], str]]], seed: int
) -> None:
    draw, before = random.Random(seed), {name: (project / name).read_text() for name, _ in edits}
    expected = digests(project)
    try:
        for name, edit in edits:
            (project / name).write_text(edit((project / name).read_text(), draw))
        assert digests(project) == expected
    finally:
        for name, text in before.items():
            (project / name).write_text(text)


@pytest.mark.unit
@pytest.mark.slow
@FEW
@given(place=st.integers(0, 10**6))
def test_one_more_statement_in_a_definition_changes_exactly_the_steps_that_reach_it(
    project: Path, place: int
) -> None:
    functions = [
        (name, node.name, node.lineno)
        for name in COUNTED
        for node in ast.parse((project / name).read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    name, function, _ = functions[place % len(functions)]
    reader, text = Reader(project), (project / name).read_text()
    reaching = {
        title
        for title, starts in all_codes().items()
        if (name, function) in reader.reach(starts).definitions
    }
    before = digests(project)
    tree = ast.parse(text)
    node = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    node.body.insert(1 if ast.get_docstring(node) else 0, ast.parse("unused = 1").body[0])
    (project / name).write_text(ast.unparse(tree))
    try:
        after = digests(project)
    finally:
        (project / name).write_text(text)
    assert {title for title in before if after[title] != before[title]} == reaching
    assert all(
        {n for n in after[title] if after[title][n] != before[title][n]} == {name}
        for title in reaching
    )
