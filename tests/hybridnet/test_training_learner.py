"""What a step minimises: synaptic operations against a hand count, the budget, the rate; and how videos are drawn."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from hybridnet.model.temporal import STM
from hybridnet.training.batches import draw_gops, epoch_order
from hybridnet.training.config import DataConfig, OptimiserConfig, RunConfig, TrainConfig
from hybridnet.training.learner import Learner, count_right, learning_rate, loss_of, make_optimiser
from hybridnet.training.synops import over_budget, spikes_by_place, synaptic_operations


def small(**changes: object) -> ModelConfig:
    return replace(preset("tiny", 2), size=16, short_side=16, steps=4, stm_channels=3, dim=8, heads=2, **changes)


def by_hand(spikes: torch.Tensor, outputs: int) -> list[int]:
    """Of each clip: for every spike, the 3x3 outputs around it that lie in the map, times the output channels."""
    _, clips, _, height, width = spikes.shape
    totals = [0] * clips
    for _, clip, _, y, x in spikes.nonzero().tolist():
        reached = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        totals[clip] += outputs * sum(0 <= row < height and 0 <= column < width for row, column in reached)
    return totals


def test_synaptic_operations_by_hand() -> None:
    torch.manual_seed(0)
    stm = STM(2, small(stm_layers=3, stm_stride=2), 3.0)
    x = torch.randint(-127, 128, (2, 4, 2, 16, 16)).float()
    _, spikes = stm.run(x)
    found = synaptic_operations(stm, spikes_by_place(spikes))
    assert found.tolist() == [sum(parts) for parts in zip(*(by_hand(layer, 3) for layer in spikes), strict=True)]
    assert min(found) > 0


def test_a_spikes_gradient_is_its_fan_out() -> None:
    stm = STM(2, small(stm_layers=2, stm_stride=4), 3.0)
    spikes = torch.zeros(4, 1, 3, 4, 4, requires_grad=True)
    synaptic_operations(stm, spikes_by_place([spikes])).sum().backward()
    row = [2, 3, 3, 2]
    assert spikes.grad is not None
    assert torch.equal(spikes.grad[1, 0, 2], 3 * torch.outer(torch.tensor(row), torch.tensor(row)).float())


def test_only_what_is_over_the_budget_costs() -> None:
    synops = torch.tensor([[50.0, 100.0], [150.0, 400.0]], requires_grad=True)
    cost = over_budget(synops, 100)
    assert cost.item() == pytest.approx((0 + 0 + 0.5 + 3) / 4)
    cost.backward()
    assert synops.grad is not None
    assert synops.grad.tolist() == [[0, 0], [pytest.approx(1 / 400)] * 2]


def test_the_regulariser_alone_makes_fewer_spikes() -> None:
    torch.manual_seed(0)
    stm = STM(2, small(stm_layers=2), 3.0)
    optimiser = torch.optim.Adam(stm.parameters(), lr=0.05)
    x = torch.randint(-127, 128, (2, 4, 2, 16, 16)).float()
    counts = []
    for _ in range(40):
        synops = synaptic_operations(stm, spikes_by_place(stm.run(x)[1]))
        counts.append(synops.max().item())
        optimiser.zero_grad()
        over_budget(synops[:, None], counts[0] / 4).backward()
        optimiser.step()
    assert counts[-1] < 1.05 * counts[0] / 4


@pytest.mark.parametrize(
    ("changes", "streams"),
    [
        ({}, ["motion", "residual"]),
        ({"modalities": "iframe+residual", "order": "LS-T-GS"}, ["residual"]),
        ({"stm": "common", "order": "LS-GS-T"}, ["motion", "residual"]),
        ({"stm": "convlstm"}, []),
        ({"modalities": "iframe"}, []),
    ],
)
def test_a_batch_of_any_variant(changes: dict[str, object], streams: list[str]) -> None:
    """Two videos of one and two clips: the operations of each stream that spikes, and a loss with a gradient."""
    torch.manual_seed(0)
    model = HybridNet(small(**changes))
    clip = torch.randint(0, 256, (3, 3, 16, 16)).float()
    motion = torch.randint(-127, 128, (3, 4, 2, 16, 16)).float()
    residual = torch.randint(-127, 128, (3, 4, 3, 16, 16)).float()
    outcome = Learner(model)(clip, motion, residual, (1, 2))
    logits, spikes = model.run(clip, motion, residual)
    torch.testing.assert_close(outcome.logits, torch.stack([logits[0], logits[1:].mean(dim=0)]))
    for stream, found in zip(streams, outcome.synops.T.tolist(), strict=True):
        layers = [by_hand(layer, layer.shape[2]) for layer in spikes[stream]]
        assert found == [sum(parts) for parts in zip(*layers, strict=True)]
    sent = [layer for stream in streams for layer in spikes[stream]]
    share = sum(int(layer.sum()) for layer in sent) / sum(layer.numel() for layer in sent) if sent else 0
    assert outcome.spikes.item() == pytest.approx(share)
    loss, penalty = loss_of(outcome, torch.tensor([0, 1]), budget=10.0, weight=0.1)
    assert (penalty.item() > 0) == bool(streams)
    (loss + penalty).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("segments", [1, 3])
def test_a_random_gop_of_every_segment(segments: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_gops(rng, 8, segments) for _ in range(300)]
    wanted = {1: [range(8)], 3: [range(2), range(2, 5), range(5, 8)]}[segments]
    for k, part in enumerate(wanted):
        assert {gops[k] for gops in drawn} == set(part)
    assert draw_gops(rng, 1, segments) == [0] * segments


def config(**run: int) -> TrainConfig:
    return TrainConfig(DataConfig("toy", "folder", "videos", "arrays"), RunConfig(out="out", epochs=1, **run))


def test_an_epoch_sees_a_video_once() -> None:
    steps = epoch_order(23, config(batch=5), 0)
    assert [len(step) for step in steps] == [5, 5, 5, 5]
    assert max(Counter(np.concatenate(steps).tolist()).values()) == 1
    again, next_epoch, other_seed = (
        np.concatenate(epoch_order(23, config(batch=5, seed=seed), epoch)) for seed, epoch in ((0, 0), (0, 1), (1, 0))
    )
    assert np.array_equal(np.concatenate(steps), again)
    assert not np.array_equal(again, next_epoch)
    assert not np.array_equal(again, other_seed)
    assert [len(step) for step in epoch_order(7, config(batch=16, processes=2), 0)] == [6]


def test_learning_rates() -> None:
    constant = OptimiserConfig(learning_rate=0.1, warmup=2)
    rates = [learning_rate(constant, step, 2, 5) for step in (0, 1, 3, 4, 9)]
    assert rates == pytest.approx([0.025, 0.05, 0.1, 0.1, 0.1])
    cosine = OptimiserConfig(learning_rate=0.1, schedule="cosine")
    assert [learning_rate(cosine, step, 2, 5) for step in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0])


def test_what_decays() -> None:
    model = HybridNet(small())
    weights, others = make_optimiser(model, OptimiserConfig()).param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    spared = {names[parameter] for parameter in others["params"]}
    assert {"motion.layers.0.leak_logit", "motion.layers.0.threshold", "conventional.head.bias"} <= spared
    assert {"motion.layers.0.weight", "conventional.head.weight"} <= {names[p] for p in weights["params"]}
    assert (weights["weight_decay"], others["weight_decay"]) == (1e-4, 0)
    assert (weights["lr"], weights["eps"]) == (1e-3, 1e-3)


def test_counting_right_answers() -> None:
    logits = torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]])
    labels = torch.tensor([1, 2, 0])
    assert [count_right(logits, labels, top) for top in (1, 2, 5)] == [1, 2, 3]
