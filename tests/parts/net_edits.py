"""A small network for .net files, and changes to make of its file what another exporter might write."""

from collections.abc import Callable

import h5py
import numpy as np

from hybridnet.spiking import Layer, SpikingGraph

GRAPH = SpikingGraph(
    (
        Layer("first", "conv", np.arange(24).reshape(4, 1, 3, 2), groups=2, bias=np.arange(4), threshold=9),
        Layer("flat", "flatten"),
        Layer("out", "dense", np.arange(4 * 2 * 4 * 3).reshape(3, 32), decay_u=7, decay_v=410, scale=0.25),
    ),
    input_shape=(2, 4, 5),
    input_bits=8,
    steps=11,
)


def put(key: str, value: object) -> Callable[[h5py.File], None]:
    """A change that writes one dataset anew."""

    def change(file: h5py.File) -> None:
        if key in file:
            del file[key]
        file.create_dataset(key, data=value)

    return change


def drop(key: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(key)
