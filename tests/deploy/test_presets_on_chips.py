"""The cores that the presets take, as docs/mapping.md and the README state them, from the shapes of their STMs."""

import re
from pathlib import Path

import pytest
import torch

from deploy.partition import streams
from deploy.quantise import spiking_graph
from hardware import ChipMapping, load_target, map_graphs
from hybridnet.model.checkpoint import load_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.temporal import STM

ROOT = Path(__file__).parents[2]
CHANNELS = {"motion": 2, "residual": 3}


def mapped(stms: dict[str, STM], size: int, chip: str) -> ChipMapping:
    graphs = {stream: spiking_graph(stm, (CHANNELS[stream], size, size), 11) for stream, stm in stms.items()}
    return map_graphs(graphs, load_target(chip))


@pytest.mark.parametrize("chip", ["loihi2", "loihi1"])
@pytest.mark.parametrize("name", ["tiny", "base", "large"])
def test_presets_take_the_cores_of_the_documents(name: str, chip: str) -> None:
    torch.manual_seed(0)
    config = preset(name, 15)
    found = mapped({stream: STM(channels, config, 1.0) for stream, channels in CHANNELS.items()}, config.size, chip)
    (row,) = (
        line
        for line in (ROOT / "docs/mapping.md").read_text().splitlines()
        if line.startswith("|") and f"`{name}`" in line
    )
    stated = re.findall(r"([\d,]+) cores, (\d+) chips?", row)[["loihi2", "loihi1"].index(chip)]
    assert (f"{found.cores:,}", str(found.chips)) == stated


def test_the_shipped_model_takes_the_cores_of_the_documents() -> None:
    model = load_checkpoint(ROOT / "examples/tiny/model.safetensors").model
    found = mapped(streams(model), model.config.size, "loihi2")
    for document in ("README.md", "docs/mapping.md"):
        assert f"{found.cores} cores" in (ROOT / document).read_text(), document
