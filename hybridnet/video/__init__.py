"""Compressed video: from a file to GOPs of accumulated motion and residuals, and on to the network's clips.

Loads numpy, numba and av, and no more.
"""

from hybridnet.video.gop import Gop
from hybridnet.video.probe import VideoInfo, probe
from hybridnet.video.reader import read_gops
from hybridnet.video.sampling import Clip, Preprocessing, choose_gops, make_clip, sample_clips, uniform_indices

__all__ = [
    "Clip",
    "Gop",
    "Preprocessing",
    "VideoInfo",
    "choose_gops",
    "make_clip",
    "probe",
    "read_gops",
    "sample_clips",
    "uniform_indices",
]
