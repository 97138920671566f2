"""Golden arrays: a recorded run of the torch model, the independent witness that `verify` replays."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from deploy.manifest import IFRAME
from deploy.partition import streams
from deploy.quantise import INPUT_BITS
from hybridnet.model.network import HybridNet
from hybridnet.model.temporal import STM
from hybridnet.spiking import Shape

BLOCK = 16  # side of the squares that are active; the rest is zero, as in real P-frames, and keeps the file small
BLOCKS = 16  # at most so many, the four corners among them, so that every padding edge is exercised
SEED = 20250313  # any fixed number will do; this one is the paper's first day


def golden_arrays(model: HybridNet, inputs: Mapping[str, Shape], steps: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of a run of `model` over a made-up clip, one array at a time; names as in `bundle.Golden`.

    The spiking arrays come from the torch STMs, not from the engine that will be checked against them.
    """
    rng = np.random.default_rng(SEED)
    fed: list[np.ndarray] = []
    for stream, stm in streams(model).items():
        x = stimulus(rng, (steps, *inputs[stream]))
        yield f"{stream}/input", x
        yield from _record(stream, stm, x)
        with torch.no_grad():
            port = stm(torch.from_numpy(x.astype(np.float32))[None])[0].numpy()
        yield f"{stream}/port", port
        fed.append(port)
    if IFRAME in inputs:
        iframe = rng.integers(0, 256, inputs[IFRAME], dtype=np.uint8)
        yield IFRAME, iframe
        fed.insert(0, iframe)
    yield "logits", conventional_logits(model, fed)


def _record(stream: str, stm: STM, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    with torch.no_grad():
        for name, spikes, v in stm.trace(torch.from_numpy(x.astype(np.float32))):
            yield f"{stream}/{name}/spikes", np.asarray(spikes)
            yield f"{stream}/{name}/v", np.asarray(v)


@torch.no_grad()
def conventional_logits(model: HybridNet, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """float32 (classes,): what the model's conventional part makes of the I-frame, if it reads one, and each port."""
    return model.conventional(*(torch.from_numpy(x.astype(np.float32))[None] for x in inputs))[0].numpy()


def stimulus(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """int8 (T,C,H,W) that drives every weight hard: steady full-scale squares of both signs beside squares of noise."""
    _, channels, height, width = shape
    limit = 2 ** (INPUT_BITS - 1) - 1
    x = np.zeros(shape, np.int8)
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    corners = {(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)}
    places = [(r, c) for r in range(rows) for c in range(columns) if (r, c) not in corners]
    chosen = rng.permutation(len(places))[: BLOCKS - len(corners)]
    for i, (r, c) in enumerate([*sorted(corners), *(places[k] for k in chosen)]):
        square = x[:, :, r * BLOCK : (r + 1) * BLOCK, c * BLOCK : (c + 1) * BLOCK]
        if i % 2:
            square[:] = rng.integers(-limit, limit + 1, square.shape)
        else:
            square[:] = (rng.integers(0, 2, (1, channels, 1, 1)) * 2 - 1) * limit
    return x
