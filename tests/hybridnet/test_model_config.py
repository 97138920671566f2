"""The model's configuration: presets, limits, JSON round trip."""

import dataclasses
import json

import pytest

from hybridnet.errors import CheckpointError, HybridnetError
from hybridnet.model.config import ModelConfig, preset


@pytest.mark.parametrize(("name", "size", "short_side"), [("tiny", 112, 128), ("base", 224, 256), ("large", 224, 256)])
def test_presets_fix_the_picture_size(name: str, size: int, short_side: int) -> None:
    config = preset(name, 7)
    assert (config.classes, config.size, config.short_side, config.steps) == (7, size, short_side, 11)
    assert config.reset == "zero"


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(HybridnetError, match="'huge' is not one of tiny, base, large"):
        preset("huge", 2)


@pytest.mark.parametrize("name", ["tiny", "base", "large"])
def test_json_round_trip(name: str) -> None:
    config = dataclasses.replace(preset(name, 5), reset="subtract", surrogate_gamma=4.5)
    assert ModelConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_unknown_and_missing_keys_are_refused() -> None:
    values = dataclasses.asdict(preset("tiny", 5))
    with pytest.raises(CheckpointError, match="unknown keys colour"):
        ModelConfig.from_dict(values | {"colour": 1})
    del values["depth"]
    with pytest.raises(CheckpointError, match="missing keys depth"):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("classes", 0, "classes 0 must be 1..32768"),
        ("dim", 10**30, "must be 1..32768"),
        ("dim", 128.0, "dim 128.0 must be an integer"),
        ("depth", True, "depth True must be an integer"),
        ("heads", "4", "heads '4' must be an integer"),
        ("heads", 5, "dim 128 must be a multiple of heads 5"),
        ("stm_stride", 3, "patch 16 must be a multiple of stm_stride 3"),
        ("stm_layers", 1, "stm_layers 1 must be 2..32768"),
        ("short_side", 100, "short_side 100 must be at least size 112"),
        ("reset", "soft", "reset 'soft' must be zero or subtract"),
        ("surrogate_gamma", float("nan"), "surrogate_gamma nan must be a number"),
        ("surrogate_gamma", -1.0, "surrogate_gamma -1.0 must be positive"),
        ("surrogate_gamma", None, "surrogate_gamma None must be a number"),
    ],
)
def test_wrong_values_are_refused(key: str, value: object, line: str) -> None:
    values = dataclasses.asdict(preset("tiny", 5)) | {key: value}
    with pytest.raises(HybridnetError, match=line):
        ModelConfig(**values)
    with pytest.raises(CheckpointError, match=line):
        ModelConfig.from_dict(values)
