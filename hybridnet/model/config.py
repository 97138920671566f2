"""`ModelConfig`: every number that fixes the model's shape, and the presets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from hybridnet.errors import CheckpointError, HybridnetError
from hybridnet.spiking import Reset

COUNT_LIMIT = 2**15  # far beyond any use; keeps the size of every tensor within 63 bits


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a `HybridNet`. Everything is an integer of 1..32768 unless said otherwise.

    classes          number of labels
    size             side of the square crop, pixels
    short_side       short side the video is resized to before the crop, pixels; at least `size`
    steps            P-frames per GOP, T
    stm_channels     channels of every STM layer
    stm_layers       layers per STM, the readout included; at least 2
    stm_stride       stride of the first STM layer; divides `patch`
    patch            side of a patch, pixels of the crop
    dim              token width, divisible by `heads`
    depth, heads     of the transformer
    fold_channels    channels of a folded map
    rrdb_channels    channels between dense blocks (nf in ESRGAN)
    rrdb_growth      channels each dense layer adds (gc in ESRGAN)
    reset            what a spike does to the membrane potential: "zero" or "subtract"
    surrogate_gamma  sharpness of the surrogate gradient, positive float

    Raises HybridnetError for a value outside these limits.
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

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(ModelConfig).items():
            if kind is int:
                self._check_count(name, 2 if name == "stm_layers" else 1)
        if self.short_side < self.size:
            raise HybridnetError(f"model config: short_side {self.short_side} must be at least size {self.size}")
        for whole, part in (("patch", "stm_stride"), ("dim", "heads")):
            if getattr(self, whole) % getattr(self, part):
                raise HybridnetError(
                    f"model config: {whole} {getattr(self, whole)} must be a multiple of {part} {getattr(self, part)}"
                )
        if self.reset not in ("zero", "subtract"):
            raise HybridnetError(f"model config: reset {self.reset!r} is not one of zero, subtract")
        gamma = self.surrogate_gamma
        if type(gamma) not in (int, float) or not (math.isfinite(gamma) and gamma > 0):
            raise HybridnetError(f"model config: surrogate_gamma {gamma!r} must be a positive finite number")

    def _check_count(self, name: str, low: int) -> None:
        value = getattr(self, name)
        if type(value) is not int or not low <= value <= COUNT_LIMIT:
            raise HybridnetError(f"model config: {name} {value!r} must be an integer of {low}..{COUNT_LIMIT}")

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
