"""What many tests share: a tiny bundle exported once, and a real clip."""

from pathlib import Path

import pytest

CLIPS = Path(__file__).parents[1] / "examples" / "clips"


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of shipped rendered-mocap clips."""
    return CLIPS


@pytest.fixture(scope="session")
def clip() -> Path:
    """One shipped clip: 128x128 MPEG-4, 3 GOPs of 12 frames."""
    return CLIPS / "walk.avi"


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained tiny model, the same every time."""
    import torch

    from hybridnet.model.checkpoint import save_checkpoint
    from hybridnet.model.config import preset
    from hybridnet.model.network import HybridNet

    labels = sorted(path.stem for path in CLIPS.glob("*.avi"))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, HybridNet(preset("tiny", len(labels))), labels, None)
    return path


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model exported; tests that alter a bundle copy it first."""
    from deploy import export_bundle

    return export_bundle(tiny_checkpoint, tmp_path_factory.mktemp("bundle") / "tiny.bundle")
