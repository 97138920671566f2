"""The fields of a .net file's groups: datasets and attributes read as what they must be, or refused by name.

`name` is the layer's, for the error; every function raises GraphError.
"""

from typing import TypeVar

import h5py
import numpy as np

from hybridnet.errors import GraphError

_REMEDIES = {"bias": "round it, as it is added to v times 64 (lava-dl writes the bias of a neuron's norm unrounded)"}

Value = TypeVar("Value", int, float, str, bool)


def dataset(group: h5py.Group, key: str, name: str) -> np.ndarray:
    dataset = group.get(key)
    if not isinstance(dataset, h5py.Dataset):
        raise GraphError(f"layer {name}: dataset {key!r} is missing; export it again")
    return np.asarray(dataset[()])


def integer_array(group: h5py.Group, key: str, name: str) -> np.ndarray:
    """A dataset of integers, which lava-dl often stores as floats, as int64."""
    array = dataset(group, key, name)
    if array.dtype.kind not in "iufb":
        raise GraphError(f"layer {name}: {key} of dtype {array.dtype} must hold numbers; export it again")
    with np.errstate(invalid="ignore"):  # a NaN becomes some integer, and the comparison finds it
        integers = array.astype(np.int64)
    if not np.array_equal(integers, array):
        first = array[integers != array].flat[0]
        remedy = _REMEDIES.get(key, "quantise before exporting")
        raise GraphError(f"layer {name}: {key} holds values that are not integers, as {first:.6g}; {remedy}")
    return integers


def integer_tuple(group: h5py.Group, key: str, name: str) -> tuple[int, ...]:
    return tuple(int(value) for value in integer_array(group, key, name).ravel())


def integer(group: h5py.Group, key: str, name: str) -> int:
    values = integer_tuple(group, key, name)
    if len(values) != 1:
        raise GraphError(f"layer {name}: {key} has {len(values)} values and must have one; export it again")
    return values[0]


def pair(group: h5py.Group, key: str, name: str) -> tuple[int, int]:
    """(y, x); one value stands for both."""
    values = integer_tuple(group, key, name)
    if len(values) not in (1, 2):
        raise GraphError(f"layer {name}: {key} has {len(values)} values and must have one or two; export it again")
    return values[0], values[-1]


def word(group: h5py.Group, key: str, name: str) -> str:
    values = dataset(group, key, name).ravel()
    if values.size != 1 or not isinstance(values[0], bytes | str):
        raise GraphError(f"layer {name}: {key} must hold one word; export it again")
    return values[0] if isinstance(values[0], str) else values[0].decode("ascii", "replace")


def layer_name(group: h5py.Group, default: str) -> str:
    try:
        return attribute(group, "name", default, str, default).encode("ascii").decode("unicode_escape")
    except UnicodeError as error:
        raise GraphError(f"layer {default}: attribute 'name' is not escaped ASCII; export it again") from error


def attribute(group: h5py.Group, key: str, default: Value, kind: type[Value], name: str) -> Value:
    if key not in group.attrs:
        return default
    if group.attrs.get_id(key).dtype.kind == "O":
        raise GraphError(
            f"layer {name}: attribute {key!r} has no fixed length, and HDF5 hangs on damaged ones; export it again"
        )
    value = group.attrs[key]
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise GraphError(
            f"layer {name}: attribute {key!r} is {value!r}, not a {kind.__name__}; export it again"
        ) from error
