"""`manifest.json`: what a bundle says of itself, read with suspicion."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from deploy.bridge import Port
from hardware import NodeSize
from hybridnet.errors import BundleError, VideoError
from hybridnet.video import STREAMS, Preprocessing

MANIFEST = "manifest.json"
SCHEMA = 4
IFRAME = "iframe"  # the ONNX input of the I-frame

T = TypeVar("T")


@dataclass(frozen=True)
class Label:
    """Which side of the split one part of the model is on, and why."""

    part: str
    side: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """Everything a bundle's runtime needs to know besides the arrays.

    schema         version of this file's layout
    toolkit        version of hybridnet that wrote it
    target         name of the target the spiking partition was checked against
    labels         class names, in the order of the logits
    training       how the weights were trained, or None: they are as initialised, and every prediction is noise
    preprocessing  how a video becomes clips
    iframe         whether the conventional partition reads the I-frame, as its ONNX input `iframe`
    ports          one per spiking stream, in the order of the ONNX inputs, which come after `iframe`
    processes      Lava processes of `simulators.lava_processes` that the .net files need; none for a stock netx
    partition      the split, part by part
    nodes          what one clip takes of every ONNX node that multiplies and accumulates (attention products included,
                   bias and elementwise operations not)
    parameters     trained numbers in the whole model
    files          SHA-256 of every other file of the bundle, by name
    """

    schema: int
    toolkit: str
    target: str
    labels: tuple[str, ...]
    training: Mapping[str, Any] | None
    preprocessing: Preprocessing
    iframe: bool
    ports: tuple[Port, ...]
    processes: tuple[str, ...]
    partition: tuple[Label, ...]
    nodes: Mapping[str, NodeSize]
    parameters: int
    files: Mapping[str, str]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def net_name(stream: str) -> str:
    """File name of a spiking stream inside a bundle."""
    return f"{stream}.net"


def read_manifest(folder: Path) -> Manifest:
    """Read and check `folder`/manifest.json; BundleError naming the file, the field and the remedy."""
    path = folder / MANIFEST
    if not folder.exists():
        raise BundleError(f"{folder}: no such bundle; make one with `hybridnet export CHECKPOINT -o {folder}`")
    if not path.is_file():
        raise BundleError(f"{folder}: not a bundle, it has no {MANIFEST}; name a folder that `hybridnet export` wrote")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error}); export the model again") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else None
        raise BundleError(f"{path}: schema {found!r} is not {SCHEMA}; export the model again with this version")
    return _parse(path, raw)


def _parse(path: Path, raw: dict[str, Any]) -> Manifest:
    _expect_fields(path, "the manifest", Manifest, raw)
    manifest = Manifest(
        schema=SCHEMA,
        toolkit=_typed(path, "toolkit", raw["toolkit"], str),
        target=_typed(path, "target", raw["target"], str),
        labels=tuple(_typed(path, "labels", label, str) for label in _typed(path, "labels", raw["labels"], list)),
        training=None if raw["training"] is None else _typed(path, "training", raw["training"], dict),
        preprocessing=_preprocessing(path, raw["preprocessing"]),
        iframe=_flag(path, "iframe", raw["iframe"]),
        ports=tuple(_port(path, port) for port in _typed(path, "ports", raw["ports"], list)),
        processes=tuple(
            _typed(path, "processes", name, str) for name in _typed(path, "processes", raw["processes"], list)
        ),
        partition=tuple(_label(path, row) for row in _typed(path, "partition", raw["partition"], list)),
        nodes={name: _node(path, name, node) for name, node in _typed(path, "nodes", raw["nodes"], dict).items()},
        parameters=_natural(path, "parameters", raw["parameters"]),
        files={
            name: _typed(path, "files", digest, str)
            for name, digest in _typed(path, "files", raw["files"], dict).items()
        },
    )
    if not manifest.labels or not manifest.ports:
        raise BundleError(f"{path}: labels and ports must not be empty; export the model again")
    if not any(node.macs for node in manifest.nodes.values()):
        raise BundleError(f"{path}: nodes hold no counts of multiply-accumulates; export the model again")
    return manifest


def _preprocessing(path: Path, raw: Any) -> Preprocessing:
    _expect_fields(path, "preprocessing", Preprocessing, raw)
    try:
        return Preprocessing(**raw)
    except VideoError as error:
        raise BundleError(f"{path}: {error}") from error


def _label(path: Path, raw: Any) -> Label:
    label = _record(path, "partition", Label, raw)
    for field, value in vars(label).items():
        _typed(path, f"partition.{field}", value, str)
    return label


def _node(path: Path, name: str, raw: Any) -> NodeSize:
    size = _record(path, f"nodes[{name}]", NodeSize, raw)
    for field, value in vars(size).items():
        _natural(path, f"nodes[{name}].{field}", value)
    return size


def _port(path: Path, raw: Any) -> Port:
    port = _record(path, "ports", Port, raw)
    shape = tuple(_natural(path, "ports.shape", n) for n in _typed(path, "ports.shape", port.shape, list))
    for field in ("name", "stream", "phase", "reset"):
        _typed(path, f"ports.{field}", getattr(port, field), str)
    if port.stream not in STREAMS:
        raise BundleError(f"{path}: ports.stream {port.stream!r} is not {' or '.join(STREAMS)}; export the model again")
    scale = float(_typed(path, "ports.scale", port.scale, (int, float)))
    if not 0 < scale < float("inf"):
        raise BundleError(f"{path}: ports.scale {scale} must be positive; export the model again")
    return Port(
        port.name, port.stream, shape, _natural(path, "ports.bits", port.bits), scale,
        _natural(path, "ports.step", port.step), port.phase, port.reset,
    )  # fmt: skip


def _record(path: Path, what: str, kind: type[T], raw: Any) -> T:
    _expect_fields(path, what, kind, raw)
    return kind(**raw)


def _expect_fields(path: Path, what: str, kind: type, raw: Any) -> None:
    _typed(path, what, raw, dict)
    wanted = {field.name for field in fields(kind)}
    if missing := sorted(wanted - raw.keys()):
        raise BundleError(f"{path}: {what} lacks {', '.join(missing)}; export the model again")
    if unknown := sorted(raw.keys() - wanted):
        raise BundleError(f"{path}: {what} has unknown {', '.join(unknown)}; export the model again with this version")


def _typed(path: Path, what: str, value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise BundleError(f"{path}: {what} is {value!r}, it must be {wanted}; export the model again")
    return value


def _flag(path: Path, what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BundleError(f"{path}: {what} is {value!r}, it must be true or false; export the model again")
    return value


def _natural(path: Path, what: str, value: Any) -> int:
    if _typed(path, what, value, int) < 0:
        raise BundleError(f"{path}: {what} is {value}, it must not be negative; export the model again")
    return value
