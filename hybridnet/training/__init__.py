"""Training: data sets in their published layouts.

Importing this package loads what `hybridnet.video` loads, and no more.
"""

from hybridnet.training.datasets import read_folder, read_hmdb51, read_kinetics, read_something_v2, read_ucf101
from hybridnet.training.listing import Dataset, Item, Report

__all__ = [
    "Dataset",
    "Item",
    "Report",
    "read_folder",
    "read_hmdb51",
    "read_kinetics",
    "read_something_v2",
    "read_ucf101",
]
