"""Deployment of a hybrid network: export it as a bundle, open the bundle, predict.

`export_bundle` needs torch and onnx and is loaded when first asked for; `open_bundle` needs neither.
"""

from typing import TYPE_CHECKING, Any

from deploy.runtime import open_bundle

if TYPE_CHECKING:
    from deploy.export import export_bundle

__all__ = ["export_bundle", "open_bundle"]


def __getattr__(name: str) -> Any:
    if name == "export_bundle":
        from deploy.export import export_bundle

        return export_bundle
    raise AttributeError(f"module 'deploy' has no attribute {name!r}")
