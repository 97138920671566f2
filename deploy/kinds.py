"""What a file or folder is that `hybridnet inspect` does not show, and which command takes it."""

from pathlib import Path

from deploy.manifest import MANIFEST
from deploy.views.prepare import is_cache
from hybridnet.errors import HybridnetError, VideoError
from hybridnet.training.cache import INDEX
from hybridnet.training.sources import find_videos


def refuse_others(path: Path) -> None:
    """HybridnetError with the way on for a path that is known and is none of bundle, cache, .net file and video."""
    found = _folder(path) if path.is_dir() else _file(path)
    if found:
        raise HybridnetError(f"{path}: {found}")


def _folder(path: Path) -> str | None:
    if (path / MANIFEST).exists() or is_cache(path):
        return None
    try:
        videos = len(find_videos(path))
    except VideoError:
        return None
    return (
        f"is a folder of {videos:,} video{'' if videos == 1 else 's'}; inspect {'it' if videos == 1 else 'one'} by its "
        f"own name, hybridnet run BUNDLE {path} takes it whole, and so does hybridnet prepare {path} -o CACHE"
    )


def _file(path: Path) -> str | None:
    if not path.is_file():
        return "is neither file nor folder but a pipe or a device; give a file"
    folder, twin = path.parent, path.with_suffix(".safetensors")
    if path.name == MANIFEST or (path.suffix in (".onnx", ".npz") and (folder / MANIFEST).is_file()):
        return f"is a part of the bundle {folder}; hybridnet inspect {folder}"
    if path.name == INDEX:
        return f"is the index of the cache {folder}; hybridnet inspect {folder}"
    if path.suffix == ".json" and twin.is_file():
        return f"is the config of the checkpoint {twin}; hybridnet export {twin} -o DIR makes a bundle of it"
    return {
        ".safetensors": f"is a checkpoint; hybridnet export {path} -o DIR makes a bundle of it",
        ".onnx": "is an ONNX graph by itself; inspect the folder of the bundle that it is of",
        ".npz": "holds arrays, such as simulate --trace writes; numpy.load reads it",
        ".toml": "is no model and no video; if it is a target, hybridnet targets shows it, many take it as --target",
        ".json": "is no model and no video; inspect a bundle, a cache, a .net file or a video",
    }.get(path.suffix)
