"""Errors a user can act on: one line that names the object, the value, the limit and the remedy.

The command line prints the line of any `HybridnetError` on stderr and exits 1, or 130 if it is `Stopped`; everything
else is a bug.
"""


class HybridnetError(Exception):
    """Base of every error the toolkit raises about its input or its environment."""


class VideoError(HybridnetError):
    """A video that cannot be read, or that lacks what the model needs."""


class TranscodeNeeded(VideoError):
    """A video that plays, but holds no usable motion vectors until it is transcoded."""


class DatasetError(HybridnetError):
    """A data set whose folder or lists are missing, or whose lists contradict themselves."""


class GraphError(HybridnetError):
    """A spiking graph that contradicts itself, or input that does not fit it."""


class TargetError(HybridnetError):
    """A target description that is wrong, or a graph that the target cannot hold."""


class ConfigError(HybridnetError):
    """A training's config with an unknown key, a wrong value, or of another training than the one to go on with."""


class CheckpointError(HybridnetError):
    """A checkpoint that is missing, damaged or of another shape than its config."""


class BundleError(HybridnetError):
    """A bundle that is missing, altered, or written by another schema."""


class OutputError(HybridnetError):
    """A result that cannot be written: no space, no permission, or something else in its place."""


class BackendError(HybridnetError):
    """A simulator backend that is unknown or not installed."""


class PartialError(HybridnetError):
    """Some of what was asked for failed; the results, which name each failure, were given all the same."""


class Stopped(HybridnetError):
    """Work that its user stopped, and what of it is kept."""
