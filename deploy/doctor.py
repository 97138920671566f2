"""`doctor`: which parts of the toolkit can run on this machine."""

import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hybridnet.errors import BackendError

PARTS = (
    ("run, simulate, energy", ("numpy", "numba", "av", "h5py", "onnxruntime", "typer"), "pip install hybridnet"),
    ("train", ("torch", "safetensors", "lightning-fabric", "matplotlib"), "pip install 'hybridnet[train]'"),
    ("prepare rendered-mocap", ("pybullet", "scikit-image", "pillow"), "pip install 'hybridnet[mocap]'"),
    ("export", ("torch", "safetensors", "onnx", "onnxscript"), "pip install 'hybridnet[export]'"),
    (
        "simulate --backend lava",
        ("torch", "torchvision", "lava-nc", "lava-dl"),
        "make lava, or: pip install 'hybridnet[lava]' && "
        "pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0",
    ),
)


@dataclass(frozen=True)
class Finding:
    """One part of the toolkit: ready or not, the versions found, and what to do about it."""

    part: str
    ready: bool
    found: str
    remedy: str


@contextmanager
def extra(name: str) -> Iterator[None]:
    """BackendError for what is imported within, if a package of this extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BackendError(f"{name}: needs {error.name}; install it with `pip install 'hybridnet[{name}]'`") from error


def examine() -> list[Finding]:
    """Look for every part's packages, by their installed metadata; nothing is imported."""
    version = ".".join(map(str, sys.version_info[:3]))
    findings = [
        Finding(
            "python", sys.version_info >= (3, 11), f"{version} on {platform.machine()}", "install Python 3.11 or newer"
        )
    ]
    for part, packages, remedy in PARTS:
        versions = {package: _version(package) for package in packages}
        found = ", ".join(f"{package} {version or 'missing'}" for package, version in versions.items())
        findings.append(Finding(part, all(versions.values()), found, remedy))
    return findings


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
