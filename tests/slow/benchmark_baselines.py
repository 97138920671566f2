"""Baselines on rendered mocap: chance, I-frames alone, motion alone, a small 3D CNN on 16x16 motion maps.

make benchmark-baselines    # or: python tests/slow/benchmark_baselines.py DIR [--seeds N] [--write docs/benchmark.md]

All three networks see what `read_gops` gives, train on the training split alone with a fixed schedule, and are tested
once, after the last epoch, so that nothing is chosen on the test split.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from documents import write_part
from hybridnet.training import Item, read_ucf101
from hybridnet.video import read_gops

GRID = 16  # cells a side of the 3D network's maps
LAST = 11  # P-frames of a GOP
BATCH, RATE = 32, 2e-3
IMAGE_EPOCHS, VOLUME_EPOCHS = 20, 30


@dataclass(frozen=True)
class Clips:
    """A split: per clip and GOP, or per clip.

    iframes   uint8 (N,G,3,128,128)
    motion    int8 (N,G,2,128,128), accumulated over the GOP's 11 P-frames, pixels, (x,y), clipped to +-127
    maps      float32 (N,2,P,16,16), raw motion of every P-frame, means of 8x8 pixels
    labels    int64 (N,)
    """

    iframes: Tensor
    motion: Tensor
    maps: Tensor
    labels: Tensor


def read_split(root: Path, items: list[Item]) -> Clips:
    """Read a split of the data set."""
    iframes, motion, maps = [], [], []
    for number, item in enumerate(items):
        if number % 300 == 0:
            print(f"reading {item.split}: {number} of {len(items)}", file=sys.stderr, flush=True)
        whole = list(read_gops(root / item.video, positions=[LAST], residual=None))
        iframes.append(np.stack([gop.iframe.transpose(2, 0, 1) for gop in whole]))
        motion.append(np.stack([gop.motion[0].transpose(2, 0, 1).clip(-127, 127).astype(np.int8) for gop in whole]))
        raw = np.concatenate([g.motion for g in read_gops(root / item.video, accumulate=False, residual=None)])
        steps, height, width, _ = raw.shape
        cells = raw.reshape(steps, GRID, height // GRID, GRID, width // GRID, 2).mean(axis=(2, 4), dtype=np.float32)
        maps.append(cells.transpose(3, 0, 1, 2))
    labels = torch.tensor([item.label for item in items])
    return Clips(*(torch.from_numpy(np.stack(each)) for each in (iframes, motion, maps)), labels)


def image_network(channels: int, classes: int) -> nn.Sequential:
    """Five convolutions over a whole picture, (N,C,128,128) to (N,classes)."""
    widths = (channels, 16, 32, 64, 128, 128)
    layers: list[nn.Module] = [nn.BatchNorm2d(channels)]
    for n in range(5):
        layers += [nn.Conv2d(widths[n], widths[n + 1], 3, 2, 1), nn.BatchNorm2d(widths[n + 1]), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, classes))


def volume_network(classes: int) -> nn.Sequential:
    """Four convolutions over space and time, (N,2,P,16,16) to (N,classes)."""
    layers: list[nn.Module] = [nn.BatchNorm3d(2)]
    for inner, outer, stride in ((2, 16, 1), (16, 32, 2), (32, 64, 2), (64, 128, 2)):
        layers += [nn.Conv3d(inner, outer, 3, stride, 1), nn.BatchNorm3d(outer), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, classes))


def flip(x: Tensor, motion: bool) -> Tensor:
    """Swap left and right; motion's x changes sign."""
    x = x.flip(-1)
    if motion:
        x[:, 0] = -x[:, 0]
    return x


def train(network: nn.Module, data: Tensor, labels: Tensor, epochs: int, motion: bool, seed: int) -> None:
    """Adam, one cycle of the rate. data is (N,G,...): an epoch takes one GOP of every clip, half of them flipped."""
    rng = torch.Generator().manual_seed(seed)
    steps = -(-len(data) // BATCH)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * steps)
    network.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(data), generator=rng).split(BATCH):
            x = data[batch, torch.randint(data.shape[1], batch.shape, generator=rng)].float()
            flipped = torch.rand(len(x), generator=rng) < 0.5
            x[flipped] = flip(x[flipped], motion)
            loss = nn.functional.cross_entropy(network(x), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def accuracy(network: nn.Module, data: Tensor, labels: Tensor) -> float:
    """Top-1 in per cent, logits averaged over a clip's GOPs."""
    network.eval()
    logits = torch.cat([torch.stack([network(x.float()) for x in part.unbind(1)]).mean(0) for part in data.split(64)])
    return 100 * (logits.argmax(1) == labels).float().mean().item()


def measure(root: Path, seeds: int) -> str:
    """The table of results, in Markdown."""
    items = read_ucf101(root, split=1)
    classes = len(items.labels)
    splits = {name: [item for item in items.items if item.split == name] for name in ("train", "test")}
    trained, tested = (read_split(root, splits[name]) for name in ("train", "test"))
    shares = torch.bincount(tested.labels) / len(tested.labels)
    rows = [("chance", "nothing", 0, [100 * shares.max().item()], "none", 0.0)]
    plan = (
        ("I-frame only", "3 I-frames, 128x128", "iframes", IMAGE_EPOCHS),
        ("motion only", "3 accumulated motion fields, 128x128", "motion", IMAGE_EPOCHS),
        ("3D CNN", "33 raw motion maps, 16x16", "maps", VOLUME_EPOCHS),
    )
    for name, sees, field, epochs in plan:
        data, test = getattr(trained, field), getattr(tested, field)
        if field == "maps":
            data, test = data[:, None], test[:, None]
        scores, start = [], time.process_time()
        for seed in range(seeds):
            torch.manual_seed(seed)
            network = volume_network(classes) if field == "maps" else image_network(data.shape[2], classes)
            train(network, data, trained.labels, epochs, field != "iframes", seed)
            scores.append(accuracy(network, test, tested.labels))
            print(f"{name}, seed {seed}: {scores[-1]:.1f}%", file=sys.stderr, flush=True)
        size = sum(parameter.numel() for parameter in network.parameters())
        seconds = (time.process_time() - start) / seeds
        rows.append((name, sees, size, scores, f"0..{seeds - 1}" if seeds > 1 else "0", seconds))
    lines = ["| baseline | sees | parameters | top-1 | seeds | CPU s a seed |", "|---|---|---|---|---|---|"]
    for name, sees, size, scores, used, seconds in rows:
        spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        lines.append(
            f"| {name} | {sees} | {size:,} | {statistics.mean(scores):.1f}%{spread} | {used} | {seconds:.0f} |"
        )
    counts = f"{len(splits['train']):,} training and {len(splits['test']):,} test clips"
    return f"Split 1, {counts}; mean ± standard deviation over the seeds.\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Print the table; with --write also put it into a document, between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, metavar="DIR", help="what `hybridnet prepare rendered-mocap` made")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE.md")
    options = parser.parse_args()
    table = measure(options.root, options.seeds)
    print(table)
    if options.write:
        write_part(options.write, "baselines", table)


if __name__ == "__main__":
    main()
