"""Texts read as one row, and batches read in pieces, teach what a padded batch does."""

import copy
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UserError
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.slow
if find_spec("torch") is None:
    pytest.skip("needs torch: the extra roberta", allow_module_level=True)
KINDS = pytest.mark.parametrize("kind", ["roberta", "bert"])
CLASSES = (1.0, 2.0, 0.5)


def network_of(kind, n_classes=3, dropout=False):
    """Make a tiny network; without dropout, so that two ways of reading can be compared."""
    import torch
    from transformers import AutoConfig, AutoModel

    from src.training.network import Network

    config = AutoConfig.from_pretrained(tiny_backbone(kind))
    if not dropout:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Network(AutoModel.from_config(config), n_classes)
    network.backbone.pooler = None
    if not dropout:
        network.dropout.p = 0.0
    return network.train()


def pad_of(network):
    return int(network.backbone.config.pad_token_id)


def made_up_rows(lengths):
    return [[5 + (7 * i + 3 * n) % 60 for i in range(n)] for n in lengths]


def examples(lengths):
    from src.training.memory import Examples

    rows = made_up_rows(lengths)
    return Examples(rows, [n % 3 for n in lengths], [1.0 + n % 2 for n in lengths])


def plan(**given):
    from src.training.memory import Plan

    usual = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 6, "patience": 1, "seed": 7}
    return Plan(**{**usual, "class_weights": CLASSES, "pad": 1, **given})


def gradients(network, train, places, **given):
    """Give what a batch teaches, and the pieces it was read in."""
    import torch

    from src.training.memory import Memory

    memory = Memory(network, train, plan(batch_size=len(places), **given))
    memory.learn(places, torch.tensor(CLASSES))
    found = {n: w.grad.clone() for n, w in network.named_parameters() if w.grad is not None}
    network.zero_grad()
    return found, memory


def assert_alike(one, other):
    assert one.keys() == other.keys()
    largest = max(float(value.abs().max()) for value in one.values())
    for name, value in one.items():
        assert float((value - other[name]).abs().max()) < 1e-4 * largest, name


@KINDS
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_texts_of_one_row_are_answered_and_teach_as_padded_ones(kind, lengths):
    import torch

    from src.training.network import answered, pack_it

    padded = network_of(kind)
    packed = copy.deepcopy(padded)
    assert pack_it(packed, pad_of(packed))
    assert packed.first == (pad_of(packed) + 1 if kind == "roberta" else 0)
    rows, places = made_up_rows(lengths), range(len(lengths))
    with torch.inference_mode():
        two = [answered(each, rows, places, pad_of(each)) for each in (padded, packed)]
    torch.testing.assert_close(two[0], two[1], rtol=1e-4, atol=1e-5)
    train = examples(lengths)
    assert_alike(gradients(padded, train, places)[0], gradients(packed, train, places)[0])


@KINDS
def test_the_same_losses_step_by_step(kind):
    import torch

    from src.training.checkpoint import Checkpoint
    from src.training.finetuning import finetune
    from src.training.network import pack_it

    class Nowhere(Checkpoint):
        def __init__(self):
            pass

        def load(self):
            return None

        def save(self, state):
            self.state = state

    lengths = [1 + 5 * i % 37 for i in range(40)]
    ends = []
    for packs in (False, True):
        network = network_of(kind)
        if packs:
            assert pack_it(network, pad_of(network))
        given = plan(epochs=3, batch_size=8, patience=3, pad=pad_of(network))
        facts = finetune(
            network, examples(lengths), examples(lengths[:9]), given, Nowhere(), lambda line: None
        )
        assert facts["packed"] == str(packs).lower()
        ends.append({n: w.detach() for n, w in network.named_parameters()})
    for name, weight in ends[0].items():
        torch.testing.assert_close(weight, ends[1][name], rtol=1e-3, atol=2e-5)


def test_a_backbone_with_attention_of_its_own_is_read_padded():
    from src.training.network import pack_it

    network = network_of("bert")
    network.backbone._can_set_attn_implementation = lambda: False
    assert not pack_it(network, pad_of(network))


def test_a_backbone_that_answers_otherwise_is_read_padded(monkeypatch):
    from src.training import packing
    from src.training.network import pack_it

    monkeypatch.setattr(packing, "_by_length", lambda q, k, v, *more: v.transpose(1, 2))
    network = network_of("roberta")
    assert not pack_it(network, pad_of(network))
    assert network.backbone.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_a_batch_in_pieces_teaches_the_same(micro_batch):
    network, train = network_of("roberta"), examples([4, 9, 2, 30, 11, 7, 7])
    whole, memory = gradients(network, train, range(7))
    assert memory.most == 7
    pieces, memory = gradients(network, train, range(7), micro_batch=micro_batch)
    assert memory.most == micro_batch
    assert_alike(whole, pieces)


def test_computing_again_teaches_the_same():
    network, train = network_of("bert"), examples([4, 9, 2, 30])
    kept = gradients(network, train, range(4))[0]
    again, memory = gradients(network, train, range(4), checkpointing="true")
    assert memory.again
    assert any(getattr(module, "gradient_checkpointing", False) for module in network.modules())
    assert_alike(kept, again)


def short_of_memory(monkeypatch, fits):
    """Let a device have room for so many texts; for one more where it computes again."""
    import torch

    from src.training import memory

    read, compute_again, again = memory.answered, memory.Memory.compute_again, []

    def noted(self):
        again.append(True)
        compute_again(self)

    def answered(network, rows, places, pad):
        room = fits + len(again)
        if len(places) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return read(network, rows, places, pad)

    monkeypatch.setattr(memory, "answered", answered)
    monkeypatch.setattr(memory.Memory, "compute_again", noted)


def test_pieces_are_halved_until_they_fit_and_dropout_is_drawn_anew(monkeypatch):
    import torch

    network, train = network_of("roberta", dropout=True), examples([4, 9, 2, 30, 11, 7, 7])
    torch.manual_seed(1)
    asked = gradients(network, train, range(7), micro_batch=2)[0]
    short_of_memory(monkeypatch, fits=3)
    torch.manual_seed(1)
    found, memory = gradients(network, train, range(7))
    assert memory.most == 2
    assert not memory.again
    assert_alike(asked, found)


def test_where_one_text_does_not_fit_layers_are_computed_again(monkeypatch):
    network, train = network_of("roberta"), examples([4, 9, 2])
    kept = gradients(network, train, range(3))[0]
    short_of_memory(monkeypatch, fits=0)
    found, memory = gradients(network, train, range(3))
    assert (memory.most, memory.again) == (1, True)
    assert_alike(kept, found)


@pytest.mark.parametrize(("fits", "checkpointing"), [(0, "false"), (-1, "auto"), (-1, "true")])
def test_where_nothing_fits_the_setting_is_named(monkeypatch, fits, checkpointing):
    network, train = network_of("roberta"), examples([4, 9, 2])
    short_of_memory(monkeypatch, fits)
    with pytest.raises(UserError, match="too little memory for the longest text alone") as caught:
        gradients(network, train, range(3), checkpointing=checkpointing)
    assert "max_tokens" in caught.value.hint
    assert ("checkpointing=auto" in caught.value.hint) is (checkpointing == "false")


@given(rows=st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=9), max_size=9))
def test_tokens_are_what_was_gathered(rows, tmp_path_factory):
    from src.training.tokens import gathered

    found = gathered(rows)
    assert [row.tolist() for row in found] == rows
    assert [row.tolist() for row in found[1:3]] == rows[1:3]
    assert gathered(found) is found


def test_many_tokens_lie_in_a_file_that_goes_with_them(tmp_path, monkeypatch):
    from src.training import tokens

    monkeypatch.setattr(tokens, "MOST_IN_MEMORY", 100)
    rows = [[i] * 9 for i in range(50)]
    found = tokens.gathered(rows, tmp_path / "cache")
    assert isinstance(found.flat, np.memmap)
    assert [row.tolist() for row in found] == rows
    assert not list((tmp_path / "cache").iterdir())
