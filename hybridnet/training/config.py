"""`TrainConfig`: a training's TOML file as dataclasses that check themselves; an unknown key is refused by name.

`examples/train_tiny.toml` documents every section.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from hybridnet.errors import ConfigError, HybridnetError
from hybridnet.fields import any_of, find_misfit
from hybridnet.model.config import ModelConfig, preset
from hybridnet.video import Preprocessing

Layout = Literal["folder", "ucf101", "hmdb51", "kinetics", "something-v2"]
Schedule = Literal["constant", "cosine"]
Accelerator = Literal["auto", "cpu", "gpu"]
SPLIT_LAYOUTS = ("ucf101", "hmdb51")  # they come with three splits


@dataclass(frozen=True)
class DataConfig:
    """Which videos. Paths are relative to the current directory.

    name     of the data set, as the checkpoint will call it
    layout   of the folder, see `hybridnet.training.datasets`
    root     folder of the videos
    lists    folder of the published lists, `root` if left out; not for layout "folder"
    split    1, 2 or 3 of ucf101 and hmdb51, 0 for the others
    train    name of the items to learn from
    test     name of the items to measure on
    cache    folder of the preprocessed arrays; many trainings may share it
    triplets clips kept of a video, at most, uniformly spread
    """

    name: str
    layout: Layout
    root: str
    cache: str
    lists: str = ""
    split: int = 0
    train: str = "train"
    test: str = "test"
    triplets: int = Preprocessing.triplets

    def __post_init__(self) -> None:
        _check_types("data", self)
        for key in ("name", "root", "cache", "train", "test"):
            _require(getattr(self, key) != "", "data", key, "", "must not be empty")
        wants = self.layout in SPLIT_LAYOUTS
        allowed = (1, 2, 3) if wants else (0,)
        _require(self.split in allowed, "data", "split", self.split, f"must be {any_of(allowed)} for {self.layout}")
        _require(not self.lists or self.layout != "folder", "data", "lists", self.lists, "does not go with folder")
        _require(self.triplets >= 1, "data", "triplets", self.triplets, "must be at least 1")


@dataclass(frozen=True)
class AugmentationConfig:
    """How a training clip is cut from its picture.

    flip     mirror half of all clips, motion x negated; not for labels that tell left from right
    scales   sides of the square, as shares of the short side, one drawn for each clip; each in 0..1
    distort  height and width are drawn apart, at most so many places of `scales` from one another (TSN's max_distort)
    colours  swap channels, and change contrast and brightness, the residual's as the I-frame's
    hide     chance of each modality to be hidden from the network, in 0..1; never all of them
    """

    flip: bool = True
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)  # TSN's
    distort: int = 0
    colours: bool = False
    hide: float = 0.0

    def __post_init__(self) -> None:
        _check_types("augmentation", self)
        good = self.scales and all(0 < scale <= 1 for scale in self.scales)
        _require(bool(good), "augmentation", "scales", list(self.scales), "must be numbers above 0, at most 1")
        _require(self.distort >= 0, "augmentation", "distort", self.distort, "must not be negative")
        _require(0 <= self.hide < 1, "augmentation", "hide", self.hide, "must be at least 0 and below 1")


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam, with the paper's settings where it gives them (CoViAR's elsewhere).

    learning_rate   at its highest
    epsilon         added to the root of the second moment
    weight_decay    times the weights, added to their gradient; spared are biases, norms, leaks and thresholds
    schedule        "constant", or "cosine" down to 0 at the last step
    warmup          epochs in which the rate rises from 0, linearly
    """

    learning_rate: float = 1e-3
    epsilon: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Schedule = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check_types("optimiser", self)
        for key in ("learning_rate", "epsilon"):
            _require(getattr(self, key) > 0, "optimiser", key, getattr(self, key), "must be positive")
        for key in ("weight_decay", "warmup"):
            _require(getattr(self, key) >= 0, "optimiser", key, getattr(self, key), "must not be negative")


@dataclass(frozen=True)
class SpikesConfig:
    """The spike-rate regulariser: weight * mean over clips and streams of max(0, synops / budget - 1).

    synops_budget   synaptic operations of one stream in one clip that cost nothing; 0 switches the term off
    weight          of the term in the loss
    """

    synops_budget: float = 0.0
    weight: float = 0.1

    def __post_init__(self) -> None:
        _check_types("spikes", self)
        for key in ("synops_budget", "weight"):
            _require(getattr(self, key) >= 0, "spikes", key, getattr(self, key), "must not be negative")


@dataclass(frozen=True)
class RunConfig:
    """How long, on what, and where to.

    out         folder of the log, the curves, the state to go on from and, in the end, model.safetensors
    epochs      times that every video is seen
    batch       videos in one step, over all processes
    segments    clips of a video in one step, one from each equal part of it; their logits are averaged
    seed        of all that is random
    threads     of each process; 0 shares the cores out
    processes   on this machine, or on each of `nodes`
    nodes       machines, each started by torchrun
    test_every  epochs after which the test split is measured, as it is after the last one
    save_every  steps after which the state is written too, besides the end of every epoch; 0 for never
    accelerator "auto", "cpu" or "gpu"; only on the CPU are two runs sure to be equal
    """

    out: str
    epochs: int
    batch: int = 16
    segments: int = 1
    seed: int = 0
    threads: int = 0
    processes: int = 1
    nodes: int = 1
    test_every: int = 1
    save_every: int = 0
    accelerator: Accelerator = "auto"

    def __post_init__(self) -> None:
        _check_types("run", self)
        _require(self.out != "", "run", "out", "", "must not be empty")
        for key in ("epochs", "batch", "segments", "processes", "nodes", "test_every"):
            _require(getattr(self, key) >= 1, "run", key, getattr(self, key), "must be at least 1")
        for key in ("seed", "threads", "save_every"):
            _require(getattr(self, key) >= 0, "run", key, getattr(self, key), "must not be negative")
        shares = self.batch % self.processes_in_all == 0
        _require(shares, "run", "batch", self.batch, f"must be a multiple of the {self.processes_in_all} processes")

    @property
    def processes_in_all(self) -> int:
        """Over all nodes."""
        return self.processes * self.nodes


@dataclass(frozen=True)
class TrainConfig:
    """All of it. `model` has a preset's name under "preset", and any keys of `ModelConfig` but classes."""

    data: DataConfig
    run: RunConfig
    model: Mapping[str, Any] = field(default_factory=lambda: {"preset": "tiny"})
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    spikes: SpikesConfig = field(default_factory=SpikesConfig)

    def __post_init__(self) -> None:
        self.model_config(classes=2)

    def model_config(self, classes: int) -> ModelConfig:
        """The model's shape for so many labels; ConfigError for a key or value that it has not."""
        values = dict(self.model)
        name = values.pop("preset", "tiny")
        known = {f.name for f in fields(ModelConfig)} - {"classes"}
        _refuse_unknown("model", values, known | {"preset"})
        try:
            return replace(preset(name, classes), **values)
        except HybridnetError as error:
            raise ConfigError(f"model: {str(error).removeprefix('model config: ')}") from error

    def preprocessing(self) -> Preprocessing:
        """How the videos become clips."""
        return self.model_config(classes=2).preprocessing(self.data.triplets)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, by section."""
        return json.loads(json.dumps(asdict(self)))


def read_config(path: Path) -> TrainConfig:
    """Read a TOML file; ConfigError names the file and the section, key and value that are wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a TOML file") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigError(f"{path}: not valid TOML ({error}); mend it") from error
    try:
        return _config(tables)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _config(tables: Mapping[str, Any]) -> TrainConfig:
    kinds = get_type_hints(TrainConfig)
    _refuse_unknown("the file", tables, set(kinds))
    sections: dict[str, Any] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{name} must be a section, [{name}]; it is {table!r}")
        sections[name] = table if name == "model" else _section(name, kinds[name], table)
    for name in ("data", "run"):
        if name not in sections:
            raise ConfigError(f"section [{name}] is missing; examples/train_tiny.toml shows it")
    return TrainConfig(**sections)


def _section(name: str, kind: type, table: Mapping[str, Any]) -> Any:
    _refuse_unknown(name, table, {f.name for f in fields(kind)})
    for f in fields(kind):
        if f.default is MISSING and f.name not in table:
            raise ConfigError(f"{name}.{f.name} is missing; give it a value")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


def _refuse_unknown(section: str, given: Iterable[str], known: set[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise ConfigError(f"{section}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _check_types(section: str, config: Any) -> None:
    if misfit := find_misfit(config):
        _require(False, section, *misfit)


def _require(holds: bool, section: str, key: str, value: Any, demand: str) -> None:
    if not holds:
        raise ConfigError(f"{section}.{key} is {value!r}; it {demand}")
