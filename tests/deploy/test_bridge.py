"""The bridge carries integers into real units, by one float32 multiplication."""

import numpy as np
import pytest

from deploy.bridge import Port, port_of
from hybridnet.errors import BundleError
from hybridnet.spiking import Layer, SpikingGraph


def test_port_of_a_graph() -> None:
    readout = Layer("readout", "conv", weight=np.full((4, 2, 3, 3), 2), threshold=None, scale=0.5)
    port = port_of("motion", SpikingGraph((readout,), (2, 8, 6), 8, 11))
    assert port == Port("motion_potential", "motion", (4, 6, 4), 24, 0.5 / 64, 11)
    assert port.bytes_per_clip == 4 * 6 * 4 * 3


def test_real_units() -> None:
    port = Port("p", "s", (2,), 24, 0.125, 11)
    found = port.to_real(np.array([-8388607, 16], np.int32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([-1048575.875, 2.0], np.float32))


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(BundleError, match="port p: potential of shape"):
        Port("p", "s", (2,), 24, 0.125, 11).to_real(np.zeros(3, np.int32))
