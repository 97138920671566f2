"""Training in more than one process, started by Lightning on one machine or by torchrun on several."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hybridnet.model.network import HybridNet
from hybridnet.training.batches import training_batches
from hybridnet.training.config import read_config
from hybridnet.training.data import store_data
from hybridnet.training.learner import Learner, learning_rate, loss_of, make_optimiser
from small_training import CONFIG, layers, make_place, rows, run_command, weights

BEGINNING = CONFIG[: CONFIG.index('out = "out"')]


@pytest.fixture(scope="module")
def place(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(clips, tmp_path_factory.mktemp("processes"))


@pytest.fixture(autouse=True)
def _inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def test_two_processes(place: Path) -> None:
    """Lightning's DDP with gloo: one step is Adam's with the mean of the gradients of both processes' shares."""
    run = 'out = "two"\nprocesses = 2\nthreads = 1\nepochs = 1\nbatch = 6\nsegments = 2\n'
    text = BEGINNING + run
    stdout, stderr = run_command(place, text).communicate()
    assert stdout.count("epoch 1 of 1") == 1, stderr
    assert all(re.fullmatch(r"hybridnet: .* of \d+, \d+ s", line) for line in stderr.splitlines())  # on a busy machine

    config = read_config(place / "command.toml")
    data = store_data(config.data, config.preprocessing(), workers=1)
    gradients = []
    for rank in (0, 1):
        torch.manual_seed(0)
        learner = Learner(HybridNet(config.model_config(3)))
        (batch,) = training_batches(data.train, config.model_config(3), config, 0, first=0, rank=rank)
        assert len(batch.labels) == 3
        outcome = learner(batch.iframe, batch.motion, batch.residual, batch.clips)
        sum(loss_of(outcome, batch.labels, config.spikes.synops_budget, config.spikes.weight)).backward()
        gradients.append([parameter.grad for parameter in learner.parameters()])
    torch.manual_seed(0)
    learner = Learner(HybridNet(config.model_config(3)))
    for parameter, *parts in zip(learner.parameters(), *gradients, strict=True):
        parameter.grad = sum(parts) / 2
    optimiser = make_optimiser(learner, config.optimiser)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config.optimiser, 0, 1, 1)
    optimiser.step()
    steps = {
        id(p): 2 * layer.quantised().scale * layer.input_limit
        for layer in layers(learner.model)
        for p in layer.parameters()
    }
    found = load_file(place / "two" / "model.safetensors")
    for name, parameter in learner.model.named_parameters():  # at last weights are snapped, to the nearest even integer
        tolerance = steps.get(id(parameter), 1e-6)
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-4, atol=tolerance, msg=name)
    (header, row) = rows(place / "two")
    assert row[header.index("test_top1")] in {str(k / 3) for k in range(4)}


def test_a_process_that_ends_says_why(place: Path) -> None:
    """Whichever of two is the first whose loss is not finite; the other says that it is gone, or is ended too."""
    run = 'out = "diverged"\nprocesses = 2\nthreads = 1\nepochs = 9\nbatch = 4\nsegments = 2\n'
    text = BEGINNING.replace("warmup = 1", "learning_rate = 1e30") + run
    process = run_command(place, text)
    _, stderr = process.communicate()
    assert process.returncode != 0
    assert "the loss is" in stderr
    assert "Traceback" not in stderr


def torchrun(place: Path, text: str) -> "list[subprocess.Popen[str]]":
    """The command on two machines, which here are one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port))
    return [
        run_command(place, text, "-m", "torch.distributed.run", *options, "--node-rank", str(rank)) for rank in (0, 1)
    ]


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_two_nodes_killed_and_gone_on_with(place: Path) -> None:
    """The very bytes of two processes of one machine that nobody kills."""
    run = "threads = 1\nepochs = 2\nbatch = 2\nsegments = 2\nsave_every = 1\n"
    stdout, stderr = run_command(place, f'{BEGINNING}out = "one-node"\nprocesses = 2\n{run}').communicate()
    assert "wrote one-node/model.safetensors" in stdout, stderr

    text = f'{BEGINNING}out = "two-nodes"\nnodes = 2\n{run}'
    nodes = torchrun(place, text)
    while not (place / "two-nodes" / "state.safetensors").exists():
        assert all(node.poll() is None for node in nodes), [node.communicate() for node in nodes]
        time.sleep(0.005)
    for pid in [pid for node in nodes for pid in (node.pid, *children(node.pid))]:
        os.kill(pid, signal.SIGKILL)
    for node in nodes:
        node.communicate()
    assert not (place / "two-nodes" / "model.safetensors").exists()
    (stdout, stderr), _ = (node.communicate() for node in torchrun(place, text))
    assert "going on after" in stdout + stderr, stderr
    assert weights(place / "two-nodes") == weights(place / "one-node")
    assert rows(place / "two-nodes") == rows(place / "one-node")
