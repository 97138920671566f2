"""lava-dl's .net files (netx HDF5): read into a `SpikingGraph`, and written so that a stock lava-dl 0.6.0 loads them.

A file is a group `layer/<i>/` per layer, i from 0, with PyTorch's axis orders (CHW, HW): `type` (input, conv, dense,
flatten), `shape` of the output, `weight`, optional `bias`, a conv's geometry, and `neuron/` with `type` CUBA or LOIHI
(netx runs both as the same CUBA LIF), `iDecay` and `vDecay` (share lost per step in 1/4096, as `decay_u` and
`decay_v`; netx subtracts 1 from iDecay because Lava adds it back), `vThMant` and `refDelay`.

Two more neuron types stand for what no stock process does, and stock netx fails on them instead of running something
else: CUBA_SUBTRACT resets by subtraction, CUBA_READOUT sends its potential. `needed_processes` names the processes of
`simulators.lava_processes` that run them; a graph that needs none is loaded by a stock lava-dl.

What the format has no field for is kept in HDF5 attributes, which netx ignores: `input_bits` and `steps` on the root,
`name`, `scale` and `readout` on a layer. A readout is written as vThMant 131071, the highest there is: only the flag
tells it from a threshold, and in netx it would still fire at the very edge of saturation (v > 131071 * 64).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hybridnet.errors import GraphError
from hybridnet.files import write_whole
from hybridnet.spiking import DECAY_UNITY, THRESHOLD_LIMIT, Layer, Shape, SpikingGraph
from simulators.netfields import attribute, integer, integer_array, integer_tuple, layer_name, pair, word

_GEOMETRY = ("stride", "padding", "dilation")
SUBTRACT, READOUT = "CUBA_SUBTRACT", "CUBA_READOUT"
PROCESSES = {SUBTRACT: "SubtractLIF", READOUT: "PotentialReadout"}  # by neuron type, in simulators.lava_processes
_NEURONS = ("CUBA", "LOIHI", *PROCESSES)
# What a neuron may state and must: netx does not look at the exponents, and a chip would.
_FIXED = {"refDelay": 1, "gradedSpike": 0, "messageBits": 0, "weight_exp": 0, "wgtExp": 0}


def needed_processes(graph: SpikingGraph) -> tuple[str, ...]:
    """Names of the processes of `simulators.lava_processes` that Lava needs to run the graph; () for a stock one."""
    types = {_neuron_type(layer) for layer in graph.layers}
    return tuple(process for neuron, process in PROCESSES.items() if neuron in types)


def net_bytes(graph: SpikingGraph) -> bytes:
    """The graph as a .net file, the same bytes for the same graph; GraphError for what netx cannot express.

    That is a flatten of what a dense layer gives. (An all-zero dense weight is written, but netx itself divides by the
    largest weight and cannot load it.)
    """
    with h5py.File("graph.net", "w", driver="core", backing_store=False) as file:  # in memory: the name is no path
        file.attrs["input_bits"], file.attrs["steps"] = graph.input_bits, graph.steps
        bare = graph.layers[0].kind != "input"
        if bare:
            group = file.create_group("layer/0")
            group.create_dataset("type", data=np.array([b"input"], "S10"))
            group.create_dataset("shape", data=np.array(graph.input_shape))
        source = graph.input_shape
        for i, (layer, shape) in enumerate(zip(graph.layers, graph.shapes, strict=True), start=int(bare)):
            if layer.kind == "flatten" and len(source) == 1 and layer is not graph.layers[0]:
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


def _neuron_type(layer: Layer) -> str:
    if layer.graded:
        return READOUT
    return SUBTRACT if layer.reset == "subtract" else "CUBA"


def _write_layer(group: h5py.Group, layer: Layer, shape: Shape) -> None:
    group.attrs["name"] = np.bytes_(layer.name.encode("unicode_escape"))  # HDF5 holds no NUL or lone surrogate
    group.attrs["scale"] = layer.scale
    group.create_dataset("type", data=np.array([layer.kind.encode()], "S10"))
    group.create_dataset("shape", data=np.array(shape))
    if layer.kind == "flatten":
        return
    alone = layer.kind == "input"  # its one weight and one bias are scalars in lava-dl's files
    group.create_dataset("weight", data=layer.weight[0] if alone else layer.weight)
    if layer.bias is not None:
        group.create_dataset("bias", data=layer.bias[0] if alone else layer.bias)
    if layer.delay is not None:
        group.create_dataset("delay", data=layer.delay)
    if layer.kind == "conv":
        group.create_dataset("inChannels", data=layer.weight.shape[1] * layer.groups)
        group.create_dataset("outChannels", data=layer.weight.shape[0])
        group.create_dataset("kernelSize", data=np.array(layer.weight.shape[2:]))
        group.create_dataset("groups", data=layer.groups)
        for what in _GEOMETRY:
            group.create_dataset(what, data=np.array(getattr(layer, what)))
    elif layer.kind == "dense":
        group.create_dataset("inFeatures", data=layer.weight.shape[1])
        group.create_dataset("outFeatures", data=layer.weight.shape[0])
    group.attrs["readout"] = layer.threshold is None
    neuron = group.create_group("neuron")
    neuron.create_dataset("type", data=np.bytes_(_neuron_type(layer).encode()))
    neuron.create_dataset("iDecay", data=layer.decay_u)
    neuron.create_dataset("vDecay", data=layer.decay_v)
    neuron.create_dataset("vThMant", data=THRESHOLD_LIMIT if layer.threshold is None else layer.threshold)
    neuron.create_dataset("refDelay", data=1)
    neuron.create_dataset("gradedSpike", data=False)


def load_net(path: str | os.PathLike[str], skip_layers: int = 0, num_layers: int | None = None) -> SpikingGraph:
    """Read a .net file, this toolkit's or another's, or a part of it.

    skip_layers, num_layers   netx's arguments: of the file's layers, counted from 0 with input and flatten, those from
                              skip_layers on and below num_layers (None for all); the layers left out are not checked

    What somebody else's file does not say: names are "layer1", "layer2"..., by place in the file; scale 1, input_bits
    16, steps 1. A vThMant above 131071, as of slayer's Affine, is never reached and makes a readout; 131071 itself
    stays a threshold. A dense layer without neurons has netx's default, which sums up and never spikes. Behind a
    skipped layer with neurons input_bits is 1, and the input has the shape that the last skipped layer states. A
    flatten at the end is left out, as in netx. GraphError names the file, the layer and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise GraphError(f"{path}: is {'a folder' if path.is_dir() else 'missing'}; give the path of a .net file")
    try:
        with h5py.File(path, "r") as file:
            return _read_graph(file, skip_layers, num_layers)
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SystemError, MemoryError) as error:
        # Whatever h5py meets in a damaged file; of a name that is no text it makes a SystemError.
        reason = error.__cause__ or error
        raise GraphError(f"{path}: is not a readable HDF5 file ({reason}); export it again") from error


def _read_graph(file: h5py.File, skip: int, stop: int | None) -> SpikingGraph:
    _refuse_other_files(file)
    groups = list(_layer_groups(file))
    skipped, taken = groups[:skip], groups[skip:stop]
    if skip < 0 or (stop is not None and stop < 0) or (groups and not taken):
        raise GraphError(f"skip_layers {skip}, num_layers {stop} leave none of {len(groups)} layers; take at least one")
    offset = skip + (not groups or word(groups[0], "type", "layer 0") != "input")  # the first layer proper is layer1
    input_shape = integer_tuple(skipped[-1], "shape", f"layer {skip - 1}") if skipped else None
    if offset == 0 and "neuron" not in groups[0]:
        input_shape = integer_tuple(groups[0], "shape", "layer 0")
        taken, offset = taken[1:], 1
    layers = [_read_layer(group, f"layer{i}") for i, group in enumerate(taken, start=offset)]
    while layers and layers[-1].kind == "flatten":
        layers.pop()
    behind_neurons = any("neuron" in group for group in skipped)
    graph = SpikingGraph(
        layers=tuple(layers),
        input_shape=_input_shape(input_shape, layers, taken),
        input_bits=1 if behind_neurons else attribute(file, "input_bits", 16, int, "input"),
        steps=attribute(file, "steps", 1, int, "input"),
    )
    for group, layer, shape in zip(taken[: len(layers)], layers, graph.shapes, strict=True):
        stated = integer_tuple(group, "shape", layer.name)
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


def _input_shape(stated: Shape | None, layers: list[Layer], groups: list[h5py.Group]) -> Shape:
    """The input's shape: the input layer's or the last skipped one's, or what a dense first layer takes, as in netx."""
    if layers and layers[0].kind == "input":
        stated, layers = integer_tuple(groups[0], "shape", layers[0].name), layers[1:]
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
    name = layer_name(group, default_name)
    kind = word(group, "type", name)
    if kind not in ("input", "conv", "dense", "flatten"):
        raise GraphError(f"layer {name}: type {kind!r} is not supported; use conv, dense and flatten layers")
    scale = attribute(group, "scale", 1.0, float, name)
    if kind == "flatten":
        return Layer(name, "flatten", scale=scale)
    delay = integer_array(group, "delay", name) if "delay" in group else np.zeros(1)
    if isinstance(group.get("weight"), h5py.Group):
        raise GraphError(f"layer {name}: complex weights are not supported; export it with real ones")
    if kind != "dense" and delay.any():
        raise GraphError(f"layer {name}: delays of a {kind} are not supported; export it without delays")
    if kind == "input" and group.name != "/layer/0":
        raise GraphError(f"layer {name}: an input layer must be the first; drop it")
    shared: dict[str, Any] = {
        **_read_neuron(group, kind, name),
        "bias": integer_array(group, "bias", name) if "bias" in group else None,
        "scale": scale,
    }
    if kind == "input":  # netx takes 64 for a weight that is not there
        shared["bias"] = None if shared["bias"] is None else shared["bias"].ravel()
        weight = integer_array(group, "weight", name).ravel() if "weight" in group else np.array([64])
        return Layer(name, "input", weight, **shared)
    weight = integer_array(group, "weight", name)
    if kind == "dense":
        outputs = int(np.prod(integer_tuple(group, "shape", name)))
        if weight.ndim == 1 and outputs > 0 and weight.size % outputs == 0:  # lava-dl also writes dense weights flat
            weight = weight.reshape(outputs, -1)
        delay = np.full(outputs, delay) if delay.ndim == 0 else delay  # one for all neurons
        return Layer(name, "dense", weight, delay=delay if delay.any() else None, **shared)
    if weight.ndim == 5 and weight.shape[4] == 1:  # lava-dl's own exports carry a time axis
        weight = weight[..., 0]
    geometry: dict[str, Any] = {what: pair(group, what, name) for what in _GEOMETRY}
    return Layer(name, "conv", weight, groups=integer(group, "groups", name), **geometry, **shared)


def _read_neuron(group: h5py.Group, kind: str, name: str) -> dict[str, Any]:
    """The neurons' part of a layer."""
    if kind == "dense" and "neuron" not in group:  # netx's default sums u up, takes it for v, and cannot spike
        return {"decay_u": 0, "decay_v": DECAY_UNITY, "threshold": None}
    neuron = group.get("neuron")
    if not isinstance(neuron, h5py.Group):
        raise GraphError(f"layer {name}: no 'neuron' group; export it with its CUBA neuron")
    neuron_type = _checked_type(neuron, name)
    decays = {"decay_u": integer(neuron, "iDecay", name), "decay_v": integer(neuron, "vDecay", name)}
    threshold = integer(neuron, "vThMant", name)
    silent = threshold > THRESHOLD_LIMIT or attribute(group, "readout", False, bool, name)  # v is clipped below it
    return {
        **decays,
        "threshold": None if silent or neuron_type == READOUT else threshold,
        "reset": "subtract" if neuron_type == SUBTRACT else "zero",
        "graded": neuron_type == READOUT,
    }


def _checked_type(neuron: h5py.Group, name: str) -> str:
    kind = word(neuron, "type", name)
    if kind not in _NEURONS:
        raise GraphError(f"layer {name}: neuron type {kind!r} is not supported; use one of {', '.join(_NEURONS)}")
    for what, expected in _FIXED.items():
        if what in neuron and (value := integer(neuron, what, name)) != expected:
            raise GraphError(f"layer {name}: {what} {value} is not supported; export it with {what} {expected}")
    return kind
