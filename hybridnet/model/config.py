"""`ModelConfig`: every number that fixes the model's shape, and the presets."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_type_hints

from hybridnet.errors import CheckpointError, HybridnetError
from hybridnet.fields import find_misfit
from hybridnet.model.choices import EncoderKind, Modalities, Order, Pooling, StmKind, check_together
from hybridnet.spiking import Reset
from hybridnet.video import STREAMS, Preprocessing

COUNT_LIMIT = 2**15  # far beyond any use; keeps the size of every tensor within 63 bits


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a `HybridNet`. Everything is an integer of 1..32768 unless said otherwise; the defaults are the paper's.

    classes          number of labels
    size             side of the square crop, pixels
    short_side       short side the video is resized to before the crop, pixels; at least `size`
    steps            P-frames per GOP, T
    stm_channels     channels of every STM layer, of order "T-LS-GS"; of the others it is `dim`
    stm_layers       layers per STM, the readout included; at least 2
    stm_stride       stride of the first STM layer, of order "T-LS-GS"; divides `patch`
    patch            side of a patch, pixels of the crop
    dim              token width, divisible by `heads`
    depth, heads     of the transformer
    fold_channels    channels of a folded map
    rrdb_channels    channels between dense blocks (nf in ESRGAN)
    rrdb_growth      channels each dense layer adds (gc in ESRGAN)
    reset            what a spike does to the membrane potential: "zero" or "subtract"
    surrogate_gamma  sharpness of the surrogate gradient, positive float

    and the variants, see `docs/variants.md`:

    modalities       what the network sees of a clip: any of iframe, motion and residual, in that order, joined by "+"
    order            of temporal, local spatial and global spatial modelling: "T-LS-GS", "LS-T-GS" or "LS-GS-T"
    stm              what models time: "full", "none", "common", "convlstm" or "fixed"
    encoder          "unified", "separate" or "cross-attention"
    mixer            whether there is a Multi-Modal Mixer, bool
    skips            whether the mixer has its skip connections, bool
    rrdb             whether there is a residual in residual dense block, bool
    pooling          "average", or "class-token"
    accumulate       whether P-frames are traced back to the I-frame, bool; for `preprocessing`, as is
    subpel           how vectors become pixels: "trunc", or "float"

    Raises HybridnetError for a value outside these limits, and for values that contradict each other.
    """

    classes: int
    size: int = 224
    short_side: int = 256
    steps: int = 11
    stm_channels: int = 32
    stm_layers: int = 2
    stm_stride: int = 1
    patch: int = 16
    dim: int = 528
    depth: int = 6
    heads: int = 8
    fold_channels: int = 512
    rrdb_channels: int = 512
    rrdb_growth: int = 248
    reset: Reset = "zero"
    surrogate_gamma: float = 10.0
    modalities: Modalities = "iframe+motion+residual"
    order: Order = "T-LS-GS"
    stm: StmKind = "full"
    encoder: EncoderKind = "unified"
    mixer: bool = True
    skips: bool = True
    rrdb: bool = True
    pooling: Pooling = "average"
    accumulate: bool = True
    subpel: Literal["trunc", "float"] = "trunc"

    def __post_init__(self) -> None:
        if misfit := find_misfit(self):
            raise HybridnetError(f"model config: {misfit.name} {misfit.value!r} {misfit.demand}")
        for name, kind in get_type_hints(ModelConfig).items():
            low = 2 if name == "stm_layers" else 1
            if kind is int and not low <= getattr(self, name) <= COUNT_LIMIT:
                raise HybridnetError(f"model config: {name} {getattr(self, name)} must be {low}..{COUNT_LIMIT}")
        if self.short_side < self.size:
            raise HybridnetError(f"model config: short_side {self.short_side} must be at least size {self.size}")
        for whole, part in (("patch", "stm_stride"), ("dim", "heads")):
            if getattr(self, whole) % getattr(self, part):
                raise HybridnetError(
                    f"model config: {whole} {getattr(self, whole)} must be a multiple of {part} {getattr(self, part)}"
                )
        if self.surrogate_gamma <= 0:
            raise HybridnetError(f"model config: surrogate_gamma {self.surrogate_gamma} must be positive")
        check_together(self)

    @property
    def reads_iframe(self) -> bool:
        """Whether the I-frame is among the modalities."""
        return "iframe" in self.modalities.split("+")

    @property
    def streams(self) -> tuple[str, ...]:
        """The modalities that are streams of P-frames: motion, residual, both or none."""
        return tuple(name for name in STREAMS if name in self.modalities.split("+"))

    def preprocessing(self, triplets: int = Preprocessing.triplets) -> Preprocessing:
        """How videos become what this model reads, in training and deployed; `triplets` clips of each at most."""
        return Preprocessing(
            size=self.size,
            short_side=self.short_side,
            steps=self.steps,
            triplets=triplets,
            accumulate=self.accumulate,
            subpel=self.subpel,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """The config whose `dataclasses.asdict` is `values`; CheckpointError for unknown, missing or wrong values."""
        wanted = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - wanted):
            raise CheckpointError(f"model config: unknown keys {', '.join(unknown)}; written by another version?")
        if missing := sorted(wanted - set(values)):
            raise CheckpointError(f"model config: missing keys {', '.join(missing)}; written by another version?")
        try:
            return cls(**values)
        except HybridnetError as error:
            raise CheckpointError(str(error)) from error


_PRESETS: dict[str, dict[str, int]] = {
    # For tests and CPUs: under 2 million parameters.
    "tiny": {
        "size": 112,
        "short_side": 128,
        "stm_channels": 16,
        "stm_layers": 3,
        "stm_stride": 2,
        "dim": 128,
        "depth": 3,
        "heads": 4,
        "fold_channels": 64,
        "rrdb_channels": 64,
        "rrdb_growth": 24,
    },
    # Ours in the paper's Table 1: 83.41 million parameters, 0.734 J per video of 8 triplets. Widths are inferred.
    "base": {},
    # Ours-L in Table 2: 1.40 J per video.
    "large": {"dim": 768, "heads": 12, "fold_channels": 768, "rrdb_channels": 768, "rrdb_growth": 384},
}


def preset(name: str, classes: int) -> ModelConfig:
    """A named configuration ("tiny", "base" or "large") for `classes` labels; HybridnetError for another name."""
    if name not in _PRESETS:
        raise HybridnetError(f"preset {name!r} is not one of {', '.join(_PRESETS)}")
    return ModelConfig(classes=classes, **_PRESETS[name])  # type: ignore[arg-type]
