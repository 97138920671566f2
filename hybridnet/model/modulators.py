"""Which temporal modulators a config has, and which of them each stream goes through."""

from collections.abc import Callable, Container
from typing import Protocol

from torch import Tensor, nn

from hybridnet.model.choices import StmKind
from hybridnet.model.config import ModelConfig
from hybridnet.model.front import Front
from hybridnet.model.recurrent import ConvLSTM
from hybridnet.model.stateless import ParallelChannels
from hybridnet.model.temporal import STM
from hybridnet.video import STREAMS

# Chosen so that an untrained net spikes at a few percent on P-frames: vectors of a few of 20 pixels, in blocks;
# residuals of a few grey levels, with edges of some tens. One for both streams lies between. What takes an STM's place
# sees its input as large, or it would hardly learn from it.
GAINS = {"motion": 3.0, "residual": 9.0}
COMMON_GAIN = 5.0
COMMON = "common"  # name of the modulator that both streams share


class Modulator(Protocol):
    """What models time: a module that turns the T frames of a stream into one map. `STM` says what each method gives.

    front   its first convolution; `front.channels` and `front.stride` are those of the map
    """

    front: Front

    def __call__(self, x: Tensor) -> Tensor: ...
    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]: ...
    def run_real(self, x: Tensor) -> tuple[Tensor, list[Tensor]]: ...


def _full(config: ModelConfig) -> dict[str, nn.Module]:
    return {stream: STM(STREAMS[stream], config, GAINS[stream]) for stream in config.streams}


def _fixed(config: ModelConfig) -> dict[str, nn.Module]:
    return {stream: STM(STREAMS[stream], config, GAINS[stream], fixed=True) for stream in config.streams}


def _common(config: ModelConfig) -> dict[str, nn.Module]:
    """Weights, leaks and thresholds shared; each stream has potentials of its own."""
    fewest, most = min(STREAMS.values()), max(STREAMS.values())
    return {COMMON: STM(most, config, COMMON_GAIN, fewest=fewest)}


def _convlstm(config: ModelConfig) -> dict[str, nn.Module]:
    return {stream: ConvLSTM(STREAMS[stream], config, GAINS[stream]) for stream in config.streams}


def _none(config: ModelConfig) -> dict[str, nn.Module]:
    return {stream: ParallelChannels(STREAMS[stream], config, GAINS[stream]) for stream in config.streams}


_KINDS: dict[StmKind, Callable[[ModelConfig], dict[str, nn.Module]]] = {
    "full": _full,
    "none": _none,
    "common": _common,
    "convlstm": _convlstm,
    "fixed": _fixed,
}


def make_modulators(config: ModelConfig) -> dict[str, nn.Module]:
    """New modulators by name: that of their stream, or "common"."""
    return _KINDS[config.stm](config)


def name_for(stream: str, modulators: Container[str]) -> str:
    """The name of the modulator that a stream goes through, of those that there are."""
    return COMMON if COMMON in modulators else stream
