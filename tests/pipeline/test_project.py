"""Files that are written from the declared steps must be what the steps say."""

import shlex

import pytest
import yaml

from src.errors import UserError
from src.pipeline.jobs import make_jobs
from src.pipeline.project import render_mlproject, render_readme
from src.pipeline.step import ROOT, Call, Command, chain_steps, entry_points, fields_of

pytestmark = pytest.mark.unit


def test_mlproject_is_up_to_date() -> None:
    assert (ROOT / "MLproject").read_text() == render_mlproject(), "run `make docs`"


def test_readme_is_up_to_date() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme == render_readme(readme), "run `make docs`"


def test_every_entry_point_passes_on_every_parameter() -> None:
    content = yaml.safe_load(render_mlproject())
    assert set(content["entry_points"]) == set(entry_points())
    for name, entry in content["entry_points"].items():
        words = shlex.split(entry["command"])
        assert words[:4] == ["python", "-m", "steps", name]
        assert words[4::2] == [f"--{parameter}" for parameter in entry["parameters"]]
        assert words[5::2] == [f"{{{parameter}}}" for parameter in entry["parameters"]]


def test_the_driver_takes_what_its_steps_take() -> None:
    content = yaml.safe_load(render_mlproject())["entry_points"]
    for step in chain_steps().values():
        assert set(fields_of(step.params)) <= set(content["main"]["parameters"])


def test_a_step_beside_the_chain_is_none_of_the_drivers() -> None:
    content = yaml.safe_load(render_mlproject())["entry_points"]
    assert {"incremental", "workers"} <= set(content["score"]["parameters"])
    assert not {"incremental", "workers"} & set(content["main"]["parameters"])
    assert "score" not in {job.step.name for job in make_jobs({}, {"model"}, ("topics",), "")}
    main = entry_points()["main"]
    assert isinstance(main, Command)
    with pytest.raises(UserError, match="unknown step 'score'"):
        main.run(Call({"until": "score"}, chain_steps(), as_json=False))


def test_a_parameter_of_several_steps_is_declared_once() -> None:
    declared: dict[str, tuple[object, str]] = {}
    for step in chain_steps().values():
        for name, one in fields_of(step.params).items():
            said = (one.default, one.metadata["help"])
            assert declared.setdefault(name, said) == said
