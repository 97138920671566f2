"""lava-dl's .net files (netx HDF5): read into a `SpikingGraph`, and written so that a stock lava-dl 0.6.0 loads them.

A file is a group `layer/<i>/` per layer, i from 0, with PyTorch's axis orders (CHW, HW): `type` (input, conv, dense,
flatten), `shape` of the output, `weight`, optional `bias`, a conv's geometry, and `neuron/` with `type` CUBA or LOIHI
(netx runs both as the same CUBA LIF), `iDecay` and `vDecay` (share lost per step in 1/4096, as `decay_u` and
`decay_v`; netx subtracts 1 from iDecay because Lava adds it back), `vThMant` and `refDelay`.

What the format has no field for is kept in HDF5 attributes, which netx ignores: `input_bits` and `steps` on the root,
`name`, `scale` and `readout` on a layer. A readout is written as vThMant 131071, the highest there is: only the flag
tells it from a threshold, and in netx it would still fire at the very edge of saturation (v > 131071 * 64).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from hybridnet.errors import GraphError
from hybridnet.files import write_whole
from hybridnet.spiking import THRESHOLD_LIMIT, Layer, Shape, SpikingGraph

_GEOMETRY = ("stride", "padding", "dilation")
_NEURONS = ("CUBA", "LOIHI")

Value = TypeVar("Value", int, float, str, bool)


def net_bytes(graph: SpikingGraph) -> bytes:
    """The graph as a .net file, the same bytes for the same graph; GraphError for what netx cannot express.

    That is reset "subtract", and a flatten of what a dense layer gives. (An all-zero dense weight is written, but
    netx itself divides by the largest weight and cannot load it.)
    """
    with h5py.File("graph.net", "w", driver="core", backing_store=False) as file:  # in memory: the name is no path
        file.attrs["input_bits"], file.attrs["steps"] = graph.input_bits, graph.steps
        group = file.create_group("layer/0")
        group.create_dataset("type", data=np.array([b"input"], "S10"))
        group.create_dataset("shape", data=np.array(graph.input_shape))
        source = graph.input_shape
        for i, (layer, shape) in enumerate(zip(graph.layers, graph.shapes, strict=True), start=1):
            if layer.kind == "flatten" and len(source) == 1 and i > 1:
                raise GraphError(
                    f"layer {layer.name}: its input {source} is flat already and netx fails on it; drop it"
                )
            _write_layer(file.create_group(f"layer/{i}"), layer, shape)
            source = shape
        file.flush()
        return file.id.get_file_image()


def save_net(path: str | os.PathLike[str], graph: SpikingGraph) -> None:
    """Write the graph to `path`, whole or not at all; GraphError as `net_bytes`, OutputError if it cannot be."""
    write_whole(Path(path), net_bytes(graph))


def _write_layer(group: h5py.Group, layer: Layer, shape: Shape) -> None:
    if layer.reset != "zero":
        raise GraphError(
            f"layer {layer.name}: reset {layer.reset!r} does not exist in lava-dl's .net files; use reset='zero'"
        )
    group.attrs["name"] = layer.name.encode("unicode_escape").decode("ascii")  # HDF5 holds no NUL or lone surrogate
    group.attrs["scale"] = layer.scale
    group.create_dataset("type", data=np.array([layer.kind.encode()], "S10"))
    group.create_dataset("shape", data=np.array(shape))
    if layer.kind == "flatten":
        return
    group.create_dataset("weight", data=layer.weight)
    if layer.bias is not None:
        group.create_dataset("bias", data=layer.bias)
    if layer.kind == "conv":
        group.create_dataset("inChannels", data=layer.weight.shape[1] * layer.groups)
        group.create_dataset("outChannels", data=layer.weight.shape[0])
        group.create_dataset("kernelSize", data=np.array(layer.weight.shape[2:]))
        group.create_dataset("groups", data=layer.groups)
        for what in _GEOMETRY:
            group.create_dataset(what, data=np.array(getattr(layer, what)))
    else:
        group.create_dataset("inFeatures", data=layer.weight.shape[1])
        group.create_dataset("outFeatures", data=layer.weight.shape[0])
    group.attrs["readout"] = layer.threshold is None
    neuron = group.create_group("neuron")
    neuron.create_dataset("type", data=np.bytes_(b"CUBA"))
    neuron.create_dataset("iDecay", data=layer.decay_u)
    neuron.create_dataset("vDecay", data=layer.decay_v)
    neuron.create_dataset("vThMant", data=THRESHOLD_LIMIT if layer.threshold is None else layer.threshold)
    neuron.create_dataset("refDelay", data=1)
    neuron.create_dataset("gradedSpike", data=False)


def load_net(path: str | os.PathLike[str]) -> SpikingGraph:
    """Read a .net file, this toolkit's or another's.

    What somebody else's file does not say: names are "layer1", "layer2"...; scale 1, input_bits 16, steps 1; no
    readout, so vThMant 131071 stays a threshold. GraphError names the file, the layer and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise GraphError(f"{path}: is {'a folder' if path.is_dir() else 'missing'}; give the path of a .net file")
    try:
        with h5py.File(path, "r") as file:
            return _read_graph(file)
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # whatever h5py meets in a damaged file
        raise GraphError(f"{path}: is not a readable HDF5 file ({error}); export it again") from error


def _read_graph(file: h5py.File) -> SpikingGraph:
    _refuse_other_files(file)
    groups = list(_layer_groups(file))
    input_shape: Shape | None = None
    if groups and _text(groups[0], "type", "layer 0") == "input":
        if "neuron" in groups[0]:
            raise GraphError("layer 0: an input layer with neurons is not supported; export a bare input layer")
        input_shape = _integers(groups[0], "shape", "layer 0")
        groups = groups[1:]
    layers = [_read_layer(group, f"layer{i}") for i, group in enumerate(groups, start=1)]
    graph = SpikingGraph(
        layers=tuple(layers),
        input_shape=_input_shape(input_shape, layers),
        input_bits=_attribute(file, "input_bits", 16, int, "input"),
        steps=_attribute(file, "steps", 1, int, "input"),
    )
    for group, layer, shape in zip(groups, layers, graph.shapes, strict=True):
        stated = _integers(group, "shape", layer.name)
        if stated != shape and (layer.kind == "conv" or np.prod(stated) != shape[0]):  # (N,1,1) is lava-dl's (N,)
            raise GraphError(f"layer {layer.name}: shape {stated} contradicts its geometry, {shape}; export it again")
    return graph


def _refuse_other_files(file: h5py.File) -> None:
    """GraphError if any part of the file lives in another one: a model must not read what else is on the disk."""

    links: dict[str, object] = {}
    file.visititems_links(links.__setitem__)  # an error raised inside the visit would be lost in h5py
    for name, link in links.items():
        if isinstance(link, h5py.ExternalLink):
            raise GraphError(f"{name}: is a link to another file, {link.filename}; export the network into one file")
        item = file[name] if isinstance(link, h5py.HardLink) else None
        if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
            raise GraphError(f"{name}: its data lie in another file; export the network into one file")


def _input_shape(stated: Shape | None, layers: list[Layer]) -> Shape:
    """The input's shape: the input layer's, or what a dense first layer takes, as in netx."""
    first = layers[0] if layers else None
    if first and first.kind == "dense":
        inputs = first.weight.shape[1]
        if stated is None or np.prod(stated) == inputs:
            return (inputs,)
    if stated is None:
        raise GraphError("layer 0: no input layer gives the input's shape; export one before the first layer")
    return stated


def _layer_groups(file: h5py.File) -> Iterator[h5py.Group]:
    """The groups layer/0, layer/1, ..., as netx counts them."""
    layers = file.get("layer")
    if not isinstance(layers, h5py.Group):
        raise GraphError("no group 'layer', so it is not a lava-dl network; export it with lava-dl or this toolkit")
    for i in range(len(layers)):
        group = layers.get(str(i))
        if not isinstance(group, h5py.Group):
            raise GraphError(f"layer {i}: missing, though the file has {len(layers)} layers; export it again")
        yield group


def _read_layer(group: h5py.Group, default_name: str) -> Layer:
    name = _name(group, default_name)
    kind = _text(group, "type", name)
    if kind not in ("conv", "dense", "flatten"):
        raise GraphError(f"layer {name}: type {kind!r} is not supported; use conv, dense and flatten layers")
    scale = _attribute(group, "scale", 1.0, float, name)
    if kind == "flatten":
        return Layer(name, "flatten", scale=scale)
    if "delay" in group and any(_integers(group, "delay", name)):
        raise GraphError(f"layer {name}: synaptic delays are not supported; export it without delays")
    neuron = group.get("neuron")
    if not isinstance(neuron, h5py.Group):
        raise GraphError(f"layer {name}: no 'neuron' group; export it with its CUBA neuron")
    _check_neuron(neuron, name)
    readout = _attribute(group, "readout", False, bool, name)
    shared: dict[str, Any] = {
        "bias": _array(group, "bias", name) if "bias" in group else None,
        "decay_u": _integer(neuron, "iDecay", name),
        "decay_v": _integer(neuron, "vDecay", name),
        "threshold": None if readout else _integer(neuron, "vThMant", name),
        "scale": scale,
    }
    weight = _array(group, "weight", name)
    if kind == "dense":
        outputs = int(np.prod(_integers(group, "shape", name)))
        if weight.ndim == 1 and outputs > 0 and weight.size % outputs == 0:  # lava-dl also writes dense weights flat
            weight = weight.reshape(outputs, -1)
        return Layer(name, "dense", weight, **shared)
    if weight.ndim == 5 and weight.shape[4] == 1:  # lava-dl's own exports carry a time axis
        weight = weight[..., 0]
    geometry: dict[str, Any] = {what: _pair(group, what, name) for what in _GEOMETRY}
    return Layer(name, "conv", weight, groups=_integer(group, "groups", name), **geometry, **shared)


def _check_neuron(neuron: h5py.Group, name: str) -> None:
    kind = _text(neuron, "type", name)
    if kind not in _NEURONS:
        raise GraphError(f"layer {name}: neuron type {kind!r} is not supported; use {' or '.join(_NEURONS)}")
    for what, expected in (("refDelay", 1), ("gradedSpike", 0)):
        if what in neuron and (value := _integer(neuron, what, name)) != expected:
            raise GraphError(f"layer {name}: {what} {value} is not supported; export it with {what} {expected}")


def _dataset(group: h5py.Group, key: str, name: str) -> np.ndarray:
    dataset = group.get(key)
    if not isinstance(dataset, h5py.Dataset):
        raise GraphError(f"layer {name}: dataset {key!r} is missing; export it again")
    return np.asarray(dataset[()])


def _array(group: h5py.Group, key: str, name: str) -> np.ndarray:
    """A dataset of integers, which lava-dl often stores as floats, as int64."""
    array = _dataset(group, key, name)
    if array.dtype.kind not in "iufb":
        raise GraphError(f"layer {name}: {key} of dtype {array.dtype} must hold numbers; export it again")
    with np.errstate(invalid="ignore"):  # a NaN becomes some integer, and the comparison finds it
        integers = array.astype(np.int64)
    if not np.array_equal(integers, array):
        raise GraphError(f"layer {name}: {key} holds values that are not integers; quantise before exporting")
    return integers


def _integers(group: h5py.Group, key: str, name: str) -> tuple[int, ...]:
    return tuple(int(value) for value in _array(group, key, name).ravel())


def _integer(group: h5py.Group, key: str, name: str) -> int:
    values = _integers(group, key, name)
    if len(values) != 1:
        raise GraphError(f"layer {name}: {key} has {len(values)} values and must have one; export it again")
    return values[0]


def _pair(group: h5py.Group, key: str, name: str) -> tuple[int, int]:
    """(y, x); one value stands for both."""
    values = _integers(group, key, name)
    if len(values) not in (1, 2):
        raise GraphError(f"layer {name}: {key} has {len(values)} values and must have one or two; export it again")
    return values[0], values[-1]


def _text(group: h5py.Group, key: str, name: str) -> str:
    values = _dataset(group, key, name).ravel()
    if values.size != 1 or not isinstance(values[0], bytes | str):
        raise GraphError(f"layer {name}: {key} must hold one word; export it again")
    return values[0] if isinstance(values[0], str) else values[0].decode("ascii", "replace")


def _name(group: h5py.Group, default: str) -> str:
    try:
        return _attribute(group, "name", default, str, default).encode("ascii").decode("unicode_escape")
    except UnicodeError as error:
        raise GraphError(f"layer {default}: attribute 'name' is not escaped ASCII; export it again") from error


def _attribute(group: h5py.Group, key: str, default: Value, kind: type[Value], name: str) -> Value:
    if key not in group.attrs:
        return default
    value = group.attrs[key]
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise GraphError(
            f"layer {name}: attribute {key!r} is {value!r}, not a {kind.__name__}; export it again"
        ) from error
