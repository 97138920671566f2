"""`Bundle`: a folder that holds a deployed model, and how it is read back."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from deploy.files import inside, sha256
from deploy.manifest import Manifest, net_name, read_manifest
from hybridnet.errors import BundleError
from hybridnet.spiking import SpikingGraph
from hybridnet.video import STREAMS
from simulators import load_net, needed_processes

ONNX = "conventional.onnx"
GOLDEN = "golden.npz"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle on disk, its manifest and its spiking graphs in memory.

    path      the folder
    manifest  its manifest
    graphs    one SpikingGraph per stream, in the order of the manifest's ports
    """

    path: Path
    manifest: Manifest
    graphs: Mapping[str, SpikingGraph]

    @property
    def onnx_path(self) -> Path:
        return inside(self.path, ONNX)

    @property
    def golden_path(self) -> Path:
        return inside(self.path, GOLDEN)


def read_bundle(path: str | Path, *, check_hashes: bool = True) -> Bundle:
    """Read a bundle. Executes nothing from it: JSON, HDF5 and NumPy arrays without pickle.

    Raises BundleError for a folder that is no bundle, a wrong schema, a missing file, a file name that leaves the
    folder, ports or processes that do not fit the graphs, and, unless `check_hashes` is False, an altered file;
    GraphError for a .net file that cannot be read.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    files = bundle_files(folder, manifest)
    if check_hashes:
        for fault in altered_files(files, manifest):
            raise BundleError(fault)
    graphs = {}
    for port in manifest.ports:
        graph = load_net(files[net_name(port.stream)])
        size = manifest.preprocessing.size
        if graph.input_shape != (STREAMS[port.stream], size, size) or graph.steps != manifest.preprocessing.steps:
            raise BundleError(
                f"{folder}: graph {port.stream} takes {graph.steps} steps of {graph.input_shape}, not the clips of the "
                "manifest's preprocessing; export the model again"
            )
        if graph.output_shape != port.shape or graph.steps != port.step:
            raise BundleError(
                f"{folder}: port {port.name} is {port.shape} after step {port.step}, but its graph gives "
                f"{graph.output_shape} after step {graph.steps}; export the model again"
            )
        graphs[port.stream] = graph
    if manifest.processes != (needed := lava_processes(graphs.values())):
        raise BundleError(
            f"{folder}: the manifest says that its graphs need {needs(manifest.processes)}, but they need "
            f"{needs(needed)}; export the model again"
        )
    return Bundle(folder, manifest, graphs)


def lava_processes(graphs: Iterable[SpikingGraph]) -> tuple[str, ...]:
    """Processes of `simulators.lava_processes` that any of the graphs needs, in alphabetical order."""
    return tuple(sorted({name for graph in graphs for name in needed_processes(graph)}))


def needs(processes: Sequence[str]) -> str:
    """Those processes in words."""
    return " and ".join(processes) + " of simulators.lava_processes" if processes else "stock Lava alone"


def bundle_files(folder: Path, manifest: Manifest) -> dict[str, Path]:
    """Every file the manifest names, resolved; BundleError for a missing one or a name that leaves the folder."""
    files = {name: inside(folder, name) for name in manifest.files}
    needed = [ONNX, GOLDEN, *(net_name(port.stream) for port in manifest.ports)]
    for name in needed:
        if name not in files:
            raise BundleError(f"{folder}: the manifest does not list {name}; export the model again")
    for name, file in files.items():
        if not file.is_file():
            raise BundleError(f"{folder}: file {name} is missing; copy the whole bundle or export the model again")
    return files


def altered_files(files: Mapping[str, Path], manifest: Manifest) -> Iterator[str]:
    """One line for every file whose SHA-256 is not the manifest's."""
    for name, file in files.items():
        found = sha256(file)
        if found != manifest.files[name]:
            yield (
                f"{file}: altered, SHA-256 {found[:12]}... is not the manifest's {manifest.files[name][:12]}...; "
                "copy the bundle again or export the model again"
            )


@dataclass(frozen=True, eq=False)
class Golden:
    """The recorded run of a bundle, made by the torch model at export; arrays are read when asked for.

    Names in the file: `<stream>/input` int8 (T,C,H,W), `<stream>/<layer>/spikes` bool and `<stream>/<layer>/v` int32
    (T,C,H,W), `<stream>/port` float32 (C,H,W), `iframe` uint8 (3,S,S) if it is read, `logits` float32 (classes,).
    """

    path: Path

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                return arrays[name]
        except KeyError:
            raise BundleError(f"{self.path}: holds no array {name}; export the model again") from None
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise BundleError(f"{self.path}: array {name} cannot be read ({error}); export the model again") from error
