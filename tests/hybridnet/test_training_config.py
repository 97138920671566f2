"""A training's TOML file: what it may say, and the line for what it may not."""

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from hybridnet.errors import ConfigError
from hybridnet.model.config import preset
from hybridnet.training.config import TrainConfig, read_config

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_tiny.toml"
LEAST = """
[data]
name = "toy"
layout = "folder"
root = "videos"
cache = "arrays"
[run]
out = "out"
epochs = 2
"""


def read(tmp_path: Path, text: str) -> TrainConfig:
    path = tmp_path / "train.toml"
    path.write_text(text)
    return read_config(path)


def test_the_example_names_every_key() -> None:
    config = read_config(EXAMPLE)
    tables = tomllib.loads(EXAMPLE.read_text())
    changes = {key: value for key, value in tables["model"].items() if key != "preset"}
    assert config.model_config(15) == replace(preset("tiny", 15), **changes)
    assert set(tables) == {field.name for field in fields(TrainConfig)}
    for name in set(tables) - {"model"}:
        assert set(tables[name]) == {field.name for field in fields(getattr(config, name))}, name


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    optimiser = config.optimiser
    assert (optimiser.learning_rate, optimiser.epsilon, optimiser.weight_decay) == (1e-3, 1e-3, 1e-4)
    assert config.data.triplets == 8
    assert config.augmentation.flip
    preprocessing = config.preprocessing()
    assert (preprocessing.size, preprocessing.short_side, preprocessing.steps) == (112, 128, 11)
    assert TrainConfig(**{key: getattr(config, key) for key in vars(config)}) == config


def test_any_key_of_the_model_can_be_set(tmp_path: Path) -> None:
    model = read(tmp_path, LEAST + '[model]\npreset = "base"\ndepth = 2\nreset = "subtract"').model_config(7)
    assert (model.classes, model.depth, model.reset, model.dim) == (7, 2, "subtract", preset("base", 7).dim)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("epochs = 2", "epochs = 2\nepoch = 3"), "run: unknown key 'epoch'; known are accelerator, batch, epochs"),
        (("[run]", "[train]\n[run]"), "the file: unknown key 'train'; known are augmentation, data, model"),
        (("epochs = 2", ""), "run.epochs is missing; give it a value"),
        (("epochs = 2", "epochs = 0"), "run.epochs is 0; it must be at least 1"),
        (("epochs = 2", "epochs = true"), "run.epochs is True; it must be an integer"),
        (("epochs = 2", "epochs = 2.0"), "run.epochs is 2.0; it must be an integer"),
        (("epochs = 2", "epochs = 2\nbatch = 3\nprocesses = 2"), "run.batch is 3; it must be a multiple of the 2 proc"),
        (('"folder"', '"zip"'), "data.layout is 'zip'; it must be folder, ucf101, hmdb51, kinetics or something-v2"),
        (('"folder"', '"ucf101"'), "data.split is 0; it must be 1, 2 or 3 for ucf101"),
        (('"folder"', '"folder"\nsplit = 1'), "data.split is 1; it must be 0 for folder"),
        (('"videos"', '""'), "data.root is ''; it must not be empty"),
        (('"videos"', "3"), "data.root is 3; it must be a string"),
        (("[run]", "[optimiser]\nlearning_rate = nan\n[run]"), "optimiser.learning_rate is nan; it must be a number"),
        (("[run]", "[optimiser]\nepsilon = 0\n[run]"), "optimiser.epsilon is 0; it must be positive"),
        (
            ("[run]", "[optimiser]\nschedule = 'step'\n[run]"),
            "optimiser.schedule is 'step'; it must be constant or cos",
        ),
        (
            ("[run]", "[augmentation]\nscales = [1.2]\n[run]"),
            "augmentation.scales is [1.2]; it must be numbers above 0",
        ),
        (("[run]", "[augmentation]\nscales = 1\n[run]"), "augmentation.scales is 1; it must be a list of numbers"),
        (("[run]", "[augmentation]\nflip = 1\n[run]"), "augmentation.flip is 1; it must be true or false"),
        (("[run]", "[augmentation]\ndistort = -1\n[run]"), "augmentation.distort is -1; it must not be negative"),
        (("[run]", "[augmentation]\nhide = 1.0\n[run]"), "augmentation.hide is 1.0; it must be at least 0 and below 1"),
        (("[run]", "[spikes]\nweight = -1\n[run]"), "spikes.weight is -1; it must not be negative"),
        (("[run]", "[model]\nclasses = 3\n[run]"), "model: unknown key 'classes'; known are accumulate, depth, dim"),
        (("[run]", "[model]\npreset = 'huge'\n[run]"), "model: preset 'huge' is not one of tiny, base, large"),
        (("[run]", "[model]\ndim = 30\nheads = 4\n[run]"), "model: dim 30 must be a multiple of heads 4"),
        (("[data]", "data = 3\n[model]"), "data must be a section, [data]; it is 3"),
        (("[run]", "[run"), "not valid TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(line)) as error:
        read(tmp_path, LEAST.replace(*change))
    assert str(error.value).startswith(f"{tmp_path / 'train.toml'}: ")
    assert "\n" not in str(error.value)


def test_a_missing_section_or_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"section \[run\] is missing; examples/train_tiny.toml shows it"):
        read(tmp_path, LEAST[: LEAST.index("[run]")])
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read \(No such file or directory\)"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary.toml: not valid TOML"):
        read_config(tmp_path / "binary.toml")
