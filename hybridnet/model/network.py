"""`HybridNet`: temporal modulators on one side of the bridge, the conventional network on the other."""

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from hybridnet.model.choices import Order
from hybridnet.model.config import ModelConfig
from hybridnet.model.encoder import Encoder
from hybridnet.model.front import Front
from hybridnet.model.mixer import MIXERS
from hybridnet.model.modulators import Modulator, make_modulators, name_for
from hybridnet.model.pooling import POOLINGS
from hybridnet.model.quantisation import INPUT_LIMIT, straight_through
from hybridnet.model.rrdb import RRDB
from hybridnet.model.spatial import SpatialModulator

TOKEN_LIMIT = 4.0  # tokens leave the encoder normalised, one in 16,000 beyond four deviations

Modulate = Callable[[str, Tensor], Tensor]  # a stream's name and frames to its map


class Conventional(nn.Module):
    """Everything but the temporal modulators: real-valued, and one ONNX graph where all of it is behind them."""

    def __init__(self, config: ModelConfig, fronts: Mapping[str, Front]) -> None:
        """`fronts` are those of the streams' modulators, by stream."""
        super().__init__()
        self.reads_iframe = config.reads_iframe
        self.spatial = SpatialModulator(config, fronts)
        self.encoder = Encoder(config)
        self.mixer = MIXERS[config.mixer](config, fronts)
        self.rrdb = RRDB(config.rrdb_channels, config.rrdb_growth) if config.rrdb else nn.Identity()
        self.pooling = POOLINGS[config.pooling](config)
        self.head = nn.Linear(config.rrdb_channels, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (N,classes) from the I-frame (N,3,S,S), RGB 0..255, if it is read, then the streams' potentials.

        Potentials are (N,C,h,w), real units, in the order of the config's streams. All float32. S need not be the
        config's nor a multiple of the patch.
        """
        return self.classify(self.encoder(self.spatial(*inputs)), inputs[int(self.reads_iframe) :])

    def classify(self, maps: tuple[Tensor, ...], potentials: tuple[Tensor, ...]) -> Tensor:
        """Logits from the encoder's maps, one per modality, and the potentials."""
        return self.head(self.pooling(self.rrdb(self.mixer(maps, potentials))))


class HybridNet(nn.Module):
    """The paper's network. Parameters start from torch's global generator; seed it for a repeatable start."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        modulators = make_modulators(config)
        self._names = {stream: name_for(stream, modulators) for stream in config.streams}
        for name, modulator in modulators.items():
            self.add_module(name, modulator)
        self.conventional = Conventional(config, {stream: m.front for stream, m in self.modulators.items()})

    @property
    def modulators(self) -> dict[str, Modulator]:
        """The temporal modulator that each stream goes through, which may be the same for both."""
        return {stream: cast(Modulator, self.get_submodule(name)) for stream, name in self._names.items()}

    def forward(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> Tensor:
        """Logits (N,classes) from I-frame float32 (N,3,S,S), RGB 0..255, motion (N,T,2,S,S) and residual (N,T,3,S,S).

        P-frames are float32 holding integers of -127..127, else HybridnetError. What is not among the config's
        modalities is not read.
        """
        return self._flow(iframe, motion, residual, lambda stream, x: self.modulators[stream](x))

    def run(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """(what `forward` gives, by stream the spikes (T,N,C,h,w) of every layer that spikes)."""
        return self._recorded(iframe, motion, residual, lambda stream, x: self.modulators[stream].run(x))

    def run_real(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """`run` of the float model: STMs with nothing quantised or rounded, see `STM.run_real`."""
        return self._recorded(iframe, motion, residual, lambda stream, x: self.modulators[stream].run_real(x))

    def _recorded(
        self,
        iframe: Tensor,
        motion: Tensor,
        residual: Tensor,
        run: Callable[[str, Tensor], tuple[Tensor, list[Tensor]]],
    ) -> tuple[Tensor, dict[str, list[Tensor]]]:
        spikes: dict[str, list[Tensor]] = {}

        def modulate(stream: str, x: Tensor) -> Tensor:
            potential, spikes[stream] = run(stream, x)
            return potential

        return self._flow(iframe, motion, residual, modulate), spikes

    def _flow(self, iframe: Tensor, motion: Tensor, residual: Tensor, modulate: Modulate) -> Tensor:
        clip = {"motion": motion, "residual": residual}
        frames = {stream: clip[stream] for stream in self.config.streams}
        images = [iframe] if self.config.reads_iframe else []
        return _FLOWS[self.config.order](self.conventional, images, frames, modulate)


def _temporal_before_global(
    net: Conventional, images: list[Tensor], frames: Mapping[str, Tensor], modulate: Modulate
) -> Tensor:
    return net(*images, *(modulate(stream, x) for stream, x in frames.items()))


def _temporal_last(net: Conventional, images: list[Tensor], frames: Mapping[str, Tensor], modulate: Modulate) -> Tensor:
    """Every P-frame's tokens, with the I-frame's, go through the encoder; the modulators follow each place over time.

    The I-frame's map is the mean over the steps. A modulator reads integers: 127 is TOKEN_LIMIT.
    """
    batch, steps = next(iter(frames.values())).shape[:2]
    each_step = [x.flatten(0, 1) / INPUT_LIMIT for x in frames.values()]
    embedded = net.spatial(*images, *each_step)
    repeated = [x.repeat_interleave(steps, dim=0) for x in embedded[: len(images)]]
    maps = [x.unflatten(0, (batch, steps)) for x in net.encoder((*repeated, *embedded[len(images) :]))]
    late = zip(frames, maps[len(images) :], strict=True)
    potentials = tuple(modulate(stream, _graded(x)) for stream, x in late)
    return net.classify((*(x.mean(dim=1) for x in maps[: len(images)]), *potentials), potentials)


def _graded(tokens: Tensor) -> Tensor:
    scaled = tokens * (INPUT_LIMIT / TOKEN_LIMIT)
    return straight_through(scaled, scaled.round().clamp(-INPUT_LIMIT, INPUT_LIMIT))


_FLOWS: dict[Order, Callable[[Conventional, list[Tensor], Mapping[str, Tensor], Modulate], Tensor]] = {
    "T-LS-GS": _temporal_before_global,
    "LS-T-GS": _temporal_before_global,
    "LS-GS-T": _temporal_last,
}
