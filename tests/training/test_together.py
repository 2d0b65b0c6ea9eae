"""Several processes that train one network: they end where one would, or say why they do not."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import psutil
import pytest

from src.errors import UserError
from src.pipeline.step import ROOT
from tests.tiny import tiny_backbone
from tests.training.test_fitting import digests

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.usefixtures("cache")]
if find_spec("torch") is None:
    pytest.skip("needs torch: the extra roberta", allow_module_level=True)

ALONE = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from src.training.family import families
from tests.models.corpus import ENTRIES, HELD_OUT
from tests.tiny import QUICK
if __name__ == "__main__":
    family = families("sentiment")["roberta"]
    given = {**QUICK, "quantize": "false", "backbone": sys.argv[1], "processes": 2}
    params = family.params(**{**given, "epochs": int(sys.argv[3])})
    say = lambda line: print(line, flush=True)
    family.fit(ENTRIES, HELD_OUT, params, Path(sys.argv[2]), 7, say)
"""


def trained(processes, tmp_path, **given):
    """Train a network without dropout; gives its weights and what is said of it."""
    from src.training.checkpoint import Checkpoint
    from src.training.finetuning import finetune
    from src.training.together import finetune_together
    from tests.training.test_packing import examples, network_of, plan

    network = network_of("bert")
    lengths = [1 + 5 * i % 37 for i in range(41)]  # the last batch holds a single text
    asked = plan(epochs=2, batch_size=8, patience=2, pad=0, **given)
    job = (network, examples(lengths), examples(lengths[:9]), asked)
    more = (Checkpoint(tmp_path, f"of {processes}", print), lambda line: None)
    facts = finetune_together(2, *job, *more) if processes == 2 else finetune(*job, *more)
    return network.state_dict(), facts


def test_two_processes_end_where_one_does(tmp_path):
    import torch

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    (one, alone), (two, both) = (trained(n, tmp_path) for n in (1, 2))
    assert both.pop("processes") == 2
    assert alone == {**both, "best_f1": pytest.approx(both["best_f1"])}
    for name, weight in one.items():
        torch.testing.assert_close(weight, two[name], rtol=1e-3, atol=2e-5)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def started(folder, epochs):
    """Train with dropout in a process of its own."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", ALONE, str(tiny_backbone()), str(folder), str(epochs)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stopped(folder, number):
    """Train, and send a signal in the second epoch; nothing may be left running."""
    with started(folder, 3) as process:
        for line in process.stdout:
            if "epoch 2 of 3" in line:
                below = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(number)
                break
        process.stdout.read()
    assert process.returncode
    assert len(below) >= 2
    assert not psutil.wait_procs(below, timeout=60)[1]


def test_a_killed_training_leaves_no_process_and_goes_on_to_the_same_bytes(tmp_path, cache):
    stopped(tmp_path / "again", signal.SIGKILL)
    assert len(list(cache.glob("*.pt"))) == 1
    for name in ("again", "undisturbed"):
        with started(tmp_path / name, 3) as process:
            said = process.stdout.read()
        assert process.returncode == 0, said
        assert ("going on after epoch" in said) is (name == "again")
    assert digests(tmp_path / "again") == digests(tmp_path / "undisturbed")


def test_a_training_that_is_told_to_stop_stops_its_processes(tmp_path, cache):
    stopped(tmp_path / "again", signal.SIGTERM)
    assert len(list(cache.glob("*.pt"))) == 1


def test_what_a_process_complains_of_arrives(tmp_path):
    from src.training import together

    (tmp_path / together.ERROR).write_text('["too little memory.", "Use less."]')
    told = together.told(tmp_path, RuntimeError("x"))
    assert (told.message, told.hint) == ("too little memory.", "Use less.")
    assert "has died" in together.told(tmp_path / "none", RuntimeError("x")).message


def test_a_bad_setting_in_the_processes_is_an_error_here(tmp_path):
    with pytest.raises(UserError, match="has died"):
        trained(2, tmp_path, class_weights=("no numbers",))


def test_more_processes_than_gpus_are_refused(monkeypatch):
    import torch

    from src.training.together import processes_of

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    gpu = torch.device("cuda")
    assert (processes_of(0, gpu), processes_of(2, gpu)) == (2, 2)
    assert (processes_of(0, torch.device("cpu")), processes_of(3, torch.device("cpu"))) == (1, 3)
    with pytest.raises(UserError, match="torch sees 2 GPUs"):
        processes_of(3, gpu)
