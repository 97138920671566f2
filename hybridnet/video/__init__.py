"""Compressed video: from a file to GOPs of accumulated motion and residuals, and on to the network's clips.

Loads numpy, numba and av, and no more.
"""

from hybridnet.video.gop import Gop
from hybridnet.video.pictures import Damage, Survey
from hybridnet.video.probe import VideoInfo, probe
from hybridnet.video.reader import read_gops
from hybridnet.video.sampling import (
    STREAMS,
    Clip,
    Preprocessing,
    choose_gops,
    make_clip,
    make_whole_clip,
    nearest_indices,
    sample_clips,
    uniform_indices,
)
from hybridnet.video.transcode import Recipe, transcode

__all__ = [
    "STREAMS",
    "Clip",
    "Damage",
    "Gop",
    "Preprocessing",
    "Recipe",
    "Survey",
    "VideoInfo",
    "choose_gops",
    "make_clip",
    "make_whole_clip",
    "nearest_indices",
    "probe",
    "read_gops",
    "sample_clips",
    "transcode",
    "uniform_indices",
]
