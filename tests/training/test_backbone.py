"""Where a backbone is looked for, what it stands for, and what is said where there is none."""

import json
from pathlib import Path

import pytest

from src.errors import UserError
from src.pipeline.jobs import check_values
from src.pipeline.step import all_steps
from src.training import family as families_module
from src.training import minilm
from src.training.backbone import Backbone, check, fingerprint, hub_cache, opened
from src.training.family import check_installed, families
from tests.tiny import usual

pytestmark = pytest.mark.unit
COMMIT = "0123abc"
FAMILY = families("sentiment")["roberta"]


def write(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "roberta", "pad_token_id": 1, "max_position_embeddings": 514})
        if not config
        else json.dumps(config)
    )
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache, and a folder that commands are typed in."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("src.training.backbone.caller_folder", lambda: tmp_path)
    return tmp_path / "hub"


def keep(cache, name="roberta-base"):
    kept = cache / f"models--{name.replace('/', '--')}"
    write(kept / "snapshots" / COMMIT)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(COMMIT)


def test_a_missing_backbone_names_the_paths_and_the_ways_out(tmp_path, cache):
    with pytest.raises(UserError) as caught:
        check("roberta-base", False, 128)
    assert str(tmp_path / "roberta-base") in caught.value.message
    assert str(cache) in caught.value.message
    for way in ("backbone=/path", "backbone=models:/", "download=true"):
        assert way in caught.value.hint


def test_a_path_is_never_looked_up_on_the_hub():
    with pytest.raises(UserError, match="neither a folder"):
        check("/no/such/folder", True, 128)
    check("roberta-base", True, 128)  # may be fetched later


def test_a_relative_folder_is_one_of_the_caller(tmp_path):
    write(tmp_path / "mine")
    check("mine", False, 512)
    with opened("mine", False, 512) as found:
        assert found.model == found.tokenizer == tmp_path / "mine"


def test_the_cache_is_found_as_the_libraries_find_it(cache, monkeypatch):
    keep(cache, "org/name")
    check("org/name", False, 128)
    assert fingerprint("org/name", False) == f"org/name@{COMMIT}"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert hub_cache() == Path("/hf/hub")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert hub_cache() == Path("/xdg/huggingface/hub")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_named_with_what_it_lacks(tmp_path, name):
    (write(tmp_path / "b") / name).unlink()
    with pytest.raises(UserError, match=r"lacks .*" + name.replace("model", "")):
        check("b", False, 128)


def test_a_foreign_configuration_is_no_model(tmp_path):
    (write(tmp_path / "b") / "config.json").write_text("[]")
    with pytest.raises(UserError, match="no configuration"):
        check("b", False, 128)


def test_no_more_tokens_than_the_backbone_has_positions_for(tmp_path):
    write(tmp_path / "r")
    write(tmp_path / "b", model_type="bert", max_position_embeddings=512)
    write(tmp_path / "any", model_type="new")
    for name, most in (("r", 512), ("b", 512)):
        check(name, False, most)
        with pytest.raises(UserError, match=f"more than the {most}") as caught:
            check(name, False, most + 1)
        assert caught.value.hint.endswith(f"max_tokens={most}")
    check("any", False, 8192)


def test_what_counts_is_content_not_the_place(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    (second / "README.md").write_text("about")
    assert fingerprint("a", False) == fingerprint("b", False)
    (second / "model.safetensors").write_bytes(b"weight5")
    assert fingerprint("a", False) != fingerprint("b", False)
    assert fingerprint("a", False) == Backbone(first, first).digest()


@pytest.mark.parametrize("name", ["models:/base/Production", "models:/base@best", "models:/base"])
def test_a_name_that_can_move_is_refused(name):
    with pytest.raises(UserError, match="no fixed version"):
        check(name, False, 128)


def test_a_fixed_version_counts_by_its_name():
    for name in ("models:/base/3", "models:/m-0123abc"):
        check(name, False, 128)
        assert fingerprint(name, False) == name


def test_the_packaged_backbone_counts_by_its_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path))
    check("minilm", False, 128)
    assert fingerprint("minilm", False) == minilm.WEIGHTS.sha256
    with pytest.raises(UserError, match="more than the 512"):
        check("minilm", False, 513)
    monkeypatch.setattr("src.packages.find_spec", lambda name: None)
    with pytest.raises(UserError, match="weights and tokenizer is not here yet"):
        check("minilm", False, 128)


def test_a_name_to_be_fetched_counts_by_the_commit_that_then_comes(cache, monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra roberta")
    info = type("Info", (), {"sha": COMMIT})
    monkeypatch.setattr(hub.HfApi, "model_info", lambda self, name: info)

    def fetched(name, allow_patterns):
        assert not any(".bin" in pattern for pattern in allow_patterns)
        keep(cache, name)
        return str(cache / f"models--{name}" / "snapshots" / COMMIT)

    monkeypatch.setattr(hub, "snapshot_download", fetched)
    before = fingerprint("roberta-base", True)
    with opened("roberta-base", True, 128) as found:
        assert found.model.name == COMMIT
    assert fingerprint("roberta-base", False) == before == f"roberta-base@{COMMIT}"


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra roberta")

    def broken(*_, **__):
        raise OSError("secret")

    monkeypatch.setattr(hub.HfApi, "model_info", broken)
    monkeypatch.setattr(hub, "snapshot_download", broken)
    with pytest.raises(UserError, match=r"cannot be fetched from the hub \(OSError\)"):
        fingerprint("roberta-base", True)
    with pytest.raises(UserError, match="cannot be fetched"), opened("roberta-base", True, 128):
        pass


def test_the_step_checks_the_backbone_before_anything_runs():
    usual(FAMILY)  # skips where the extra is not installed
    typed = {"model": "sentiment", "family": "roberta", "backbone": "/nowhere"}
    with pytest.raises(UserError, match="'/nowhere' is neither"):
        check_values(all_steps()["train"], typed)


def test_the_step_counts_the_content_of_the_backbone_not_its_place(tmp_path):
    from src.pipeline.keys import make_key, project_reader
    from src.pipeline.step import build

    step, keys = all_steps()["train"], []
    for name in ("a", "b"):
        typed = {"model": "sentiment", "family": "roberta", "backbone": name}
        write(tmp_path / name)
        keys.append(make_key(step, build(step.params, typed), typed, {}, project_reader()))
    assert keys[0].digest == keys[1].digest
    (tmp_path / "b" / "model.safetensors").write_bytes(b"others")
    changed = make_key(step, build(step.params, typed), typed, {}, project_reader())
    assert changed.why(keys[0]) == ["input backbone"]


def test_what_is_not_installed_is_named_with_the_extra(monkeypatch):
    monkeypatch.setattr(families_module, "_installed", lambda name: name != "torch")
    with pytest.raises(UserError, match="roberta needs torch, which") as caught:
        check_installed(FAMILY)
    assert "--extra roberta" in caught.value.hint
