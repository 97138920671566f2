"""The shipped rendered-mocap clips, and the motion and recipe modules of their making, which need no pybullet."""

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.training.mocap import encode as encoder
from hybridnet.training.mocap import motion, recipe

CLIPS = Path(__file__).resolve().parents[2] / "examples" / "clips"
NAMES = sorted(path.name for path in CLIPS.glob("*.avi"))
I_FRAME, P_FRAME = 1, 2


@pytest.fixture(scope="module")
def index() -> dict:
    return json.loads((CLIPS / "clips.json").read_text())


def turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """The unit quaternion (w,x,y,z) of a rotation."""
    half = np.radians(degrees) / 2
    return np.array([np.cos(half), *(np.sin(half) * np.array(axis))])


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """The 3x3 rotation matrix of a unit quaternion, by the textbook formula."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def key_pose(x: float, yaw: float, knee: float) -> np.ndarray:
    """A pose at (x, 1, 0) whose every ball joint is turned by `yaw` degrees about y and whose right knee is bent."""
    pose = np.zeros(43)
    pose[0:3] = x, 1.0, 0.0
    for start in (3, 7, 11, 15, 20, 24, 29, 34, 38):
        pose[start : start + 4] = turn((0, 1, 0), yaw)
    pose[19] = knee
    return pose


def write_motion(path: Path, loop: str, quaternion_length: float = 1.0) -> Path:
    """Three key poses half a second apart, 0.3 m and 20 degrees each."""
    poses = [key_pose(0.3 * number, 20.0 * number, -0.1 * number) for number in range(3)]
    for pose in poses:
        pose[15:19] *= quaternion_length
    frames = [[step, *pose.tolist()] for step, pose in zip((0.5, 0.5, 0.0), poses, strict=True)]
    path.write_text(json.dumps({"Loop": loop, "Frames": frames}))
    return path


def test_one_clip_of_every_class_is_shipped(index: dict) -> None:
    assert len(NAMES) == 15
    assert sorted(index["clips"]) == NAMES
    assert [f"{clip['class']}.avi" for clip in index["clips"].values()] == list(index["clips"])
    assert sorted(clip["class"] for clip in index["clips"].values()) == sorted(recipe.CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_clip_is_small_mpeg4_in_gops_of_12(name: str) -> None:
    assert (CLIPS / name).stat().st_size <= 40_000
    with av.open(CLIPS / name) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs"}
        assert (stream.codec_context.name, stream.width, stream.height) == ("mpeg4", 128, 128)
        assert stream.average_rate == 24
        moving = 0
        kinds, times, corrupt = [], [], False
        assert stream.time_base == Fraction(1, 24)
        for frame in container.decode(stream):
            kinds.append(int(frame.pict_type))
            times.append(frame.pts)
            corrupt |= frame.is_corrupt
            vectors = frame.side_data.get("MOTION_VECTORS")
            if vectors is not None:
                array = vectors.to_ndarray()
                moving += int(((array["motion_x"] != 0) | (array["motion_y"] != 0)).sum())
    assert kinds == ([I_FRAME] + [P_FRAME] * 11) * 3
    assert times == list(range(36))
    assert not corrupt
    assert moving > 100


def test_index_agrees_with_the_recipes(index: dict) -> None:
    for clip in index["clips"].values():
        drawn = recipe.draw_recipe(clip["class"], clip["split"], clip["index"])
        name = f"{clip['class']}/{clip['split']}/{clip['index']}"
        assert clip["seed"] == hashlib.sha256(name.encode()).hexdigest()
        assert clip["azimuth"] == pytest.approx(drawn.azimuth)
        assert clip["mirrored"] == drawn.mirrored
        assert clip["scene"] == drawn.scene


@pytest.mark.parametrize(("split", "inside"), [("train", False), ("test", True)])
def test_cameras_and_scenes_are_split(split: str, inside: bool) -> None:
    drawn = [recipe.draw_recipe("walk", split, number) for number in range(200)]
    for clip in drawn:
        assert 0 <= clip.azimuth < 360
        from_axis = min(clip.azimuth % 90, 90 - clip.azimuth % 90)
        assert (from_axis <= 15) is inside
    other = "train" if split == "test" else "test"
    assert {clip.scene for clip in drawn} == set(recipe.SCENES[split])
    assert not set(recipe.SCENES[split]) & set(recipe.SCENES[other])
    assert {int(clip.azimuth + 45) % 360 // 90 for clip in drawn} == {0, 1, 2, 3}
    assert recipe.draw_recipe("walk", split, 7) == drawn[7]


def test_slerp_turns_at_even_speed_along_the_shorter_arc() -> None:
    first, second = turn((0, 0, 1), 10), turn((0, 0, 1), 110)
    for fraction in (0.0, 0.25, 0.5, 1.0):
        expected = turn((0, 0, 1), 10 + 100 * fraction)
        np.testing.assert_allclose(motion.slerp(first, second, fraction), expected, atol=1e-12)
        np.testing.assert_allclose(rotation(motion.slerp(first, -second, fraction)), rotation(expected), atol=1e-12)
    np.testing.assert_allclose(motion.slerp(first, first, 0.3), first, atol=1e-12)


def test_slerp_takes_many_joints_at_once() -> None:
    first = np.stack([turn((1, 0, 0), 0), turn((0, 1, 0), 0)])
    second = np.stack([turn((1, 0, 0), 90), turn((0, 1, 0), 1e-9)])
    middle = motion.slerp(first, second, 0.5)
    np.testing.assert_allclose(middle, np.stack([turn((1, 0, 0), 45), turn((0, 1, 0), 5e-10)]), atol=1e-12)


def test_mirror_twice_is_the_same_pose() -> None:
    pose = np.random.default_rng(0).normal(size=43)
    assert not np.array_equal(motion.mirror(pose), pose)
    np.testing.assert_array_equal(motion.mirror(motion.mirror(pose)), pose)


def test_mirror_reflects_rotations_and_swaps_sides() -> None:
    pose = key_pose(0.5, 0.0, -0.7)
    pose[2] = 0.25
    pose[3:7] = turn((0, 1, 0), 30)
    pose[15:19] = turn((0.6, 0.0, 0.8), 50)
    mirrored = motion.mirror(pose)
    reflection = np.diag([1.0, 1.0, -1.0])
    np.testing.assert_array_equal(mirrored[0:3], [0.5, 1.0, -0.25])
    for start, source in ((3, 3), (29, 15), (15, 29)):
        expected = reflection @ rotation(pose[source : source + 4]) @ reflection
        np.testing.assert_allclose(rotation(mirrored[start : start + 4]), expected, atol=1e-12)
    assert (mirrored[33], mirrored[19]) == (-0.7, 0.0)


def test_pose_between_two_keys(tmp_path: Path) -> None:
    read = motion.read_motion(write_motion(tmp_path / "m.txt", "none", quaternion_length=0.6))
    np.testing.assert_allclose(motion.pose_at(read, 0.25), key_pose(0.15, 10.0, -0.05), atol=1e-12)
    np.testing.assert_allclose(motion.pose_at(read, 0.75), key_pose(0.45, 30.0, -0.15), atol=1e-12)


def test_motion_that_does_not_loop_holds_its_ends(tmp_path: Path) -> None:
    read = motion.read_motion(write_motion(tmp_path / "m.txt", "none"))
    assert read.duration == 1.0
    np.testing.assert_allclose(motion.pose_at(read, -3.0), key_pose(0.0, 0.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(motion.pose_at(read, 9.0), key_pose(0.6, 40.0, -0.2), atol=1e-12)


def test_loop_is_closed_at_the_pace_of_the_capture(tmp_path: Path) -> None:
    """It ends 40 degrees from its start and turns 20 a step: two steps of 0.5 s close it, and 0.6 m/s go on."""
    read = motion.read_motion(write_motion(tmp_path / "m.txt", "wrap"))
    assert read.duration == pytest.approx(2.0)
    np.testing.assert_allclose(motion.pose_at(read, 1.5), key_pose(0.9, 20.0, -0.1), atol=1e-12)
    np.testing.assert_allclose(motion.pose_at(read, 2.25), key_pose(1.35, 10.0, -0.05), atol=1e-12)
    np.testing.assert_allclose(motion.pose_at(read, -0.5), key_pose(-0.3, 20.0, -0.1), atol=1e-12)


def test_looping_pose_is_continuous(tmp_path: Path) -> None:
    read = motion.read_motion(write_motion(tmp_path / "m.txt", "wrap"))
    poses = np.stack([motion.pose_at(read, time) for time in np.linspace(-3.0, 5.0, 2001)])
    # 4 ms are 0.16 degrees and 2.4 mm
    assert np.abs(np.diff(poses, axis=0)).max() < 4e-3
    np.testing.assert_allclose(np.linalg.norm(poses[:, 15:19], axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([[0.1, *range(42)]] * 2, "has shape"),
        ([[0.1, *range(43)]], "has shape"),
        ([[0.1, *range(43)], [0.0, *range(43)], [0.0, *range(43)]], "row 1 lasts"),
    ],
)
def test_damaged_motion_is_refused(tmp_path: Path, frames: list, complaint: str) -> None:
    path = tmp_path / "damaged.txt"
    path.write_text(json.dumps({"Loop": "none", "Frames": frames}))
    with pytest.raises(ValueError, match=f"damaged.txt.*{complaint}"):
        motion.read_motion(path)


def test_encoding_twice_gives_the_same_bytes() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (13, 32, 48, 3), dtype=np.uint8)
    assert encoder.encode(frames) == encoder.encode(frames.copy())
