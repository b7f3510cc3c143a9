"""Tests of the arithmetic, which needs numpy alone: python test_measures.py"""

import os
import tempfile
import unittest

import numpy as np

import frames
import measures
from measures import SIGNALS


def face(gap=0.05, width=0.8, eyes=0.15, brows=0.4, turn=(0.0, 0.0, 0.0), scale=100.0, at=(300.0, 200.0)):
    """Landmarks of a made-up face, in pixels: lengths over the distance between the eyes, turned by yaw, pitch, roll in degrees."""
    p = np.zeros((478, 3))
    for eye, x, out in ((measures.LEFT_EYE, -0.5, -1), (measures.RIGHT_EYE, 0.5, 1)):
        p[eye[0]], p[eye[1]] = (x + 0.2 * out, 0, 0), (x - 0.2 * out, 0, 0)
        p[eye[2]], p[eye[3]] = (x, -eyes / 2, -0.05), (x, eyes / 2, -0.05)
    p[measures.LEFT_BROW], p[measures.RIGHT_BROW] = (-0.5, -brows, 0), (0.5, -brows, 0)
    p[measures.LIPS[0]], p[measures.LIPS[1]] = (0, 1.0 - gap / 2, -0.2), (0, 1.0 + gap / 2, -0.2)
    p[measures.MOUTH[0]], p[measures.MOUTH[1]] = (-width / 2, 1.0, -0.1), (width / 2, 1.0, -0.1)
    p[measures.TEMPLES[0]], p[measures.TEMPLES[1]] = (-1.0, 0, 0.6), (1.0, 0, 0.6)
    p[measures.FOREHEAD], p[measures.NOSE_BASE] = (0, -0.8, 0), (0, 0.7, 0)
    yaw, pitch, roll = np.radians(turn)
    c, s = np.cos, np.sin
    about_y = np.array([[c(yaw), 0, -s(yaw)], [0, 1, 0], [s(yaw), 0, c(yaw)]])
    about_x = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    about_z = np.array([[c(roll), -s(roll), 0], [s(roll), c(roll), 0], [0, 0, 1]])
    return p @ (about_z @ about_y @ about_x).T * scale + np.array([*at, 0.0])


def moving(share=1.0, n=60, seed=1):
    """Signals of a face that moves in every way, by a share of what the driver does."""
    random = np.random.default_rng(seed).uniform(0, 1, (n, 7)) * share
    return np.array(
        [
            measures.signals(face(0.3 * a, 0.8 + 0.2 * b, 0.2 - 0.15 * c, 0.4 + 0.15 * d, (30 * e, 20 * f, 25 * g)))
            for a, b, c, d, e, f, g in random
        ]
    )


def pair(driver, driven):
    return measures.following([measures.sums(driver, driven)])


class Signals(unittest.TestCase):
    def test_lengths_are_over_the_distance_between_the_eyes(self):
        for turn in ((0, 0, 0), (25, -15, 30)):
            for scale in (40.0, 400.0):
                found = measures.signals(face(0.2, 0.7, 0.1, 0.45, turn, scale))
                np.testing.assert_allclose(found[:4], [0.2, 0.7, 0.1, 0.45], atol=1e-9)

    def test_angles_are_those_that_the_face_was_turned_by(self):
        for i, name in enumerate(("yaw", "pitch", "roll")):
            for angle in (-30.0, 12.0):
                turn = [0.0, 0.0, 0.0]
                turn[i] = angle
                found = measures.signals(face(turn=turn))
                np.testing.assert_allclose(found[4:], turn, atol=1e-6, err_msg=name)

    def test_the_nose_says_which_way_is_positive(self):
        """A nose before the face goes right with positive yaw, and down with positive pitch."""
        for turn, axis, signal in (((20, 0, 0), 0, 4), ((0, 20, 0), 1, 5), ((0, -20, 0), 1, 5)):
            turned = face(turn=turn, at=(0.0, 0.0))
            tip = (turned[measures.LIPS[0]] + turned[measures.LIPS[1]]) / 2 - (turned[measures.MOUTH[0]] + turned[measures.MOUTH[1]]) / 2
            self.assertEqual(np.sign(tip[axis]), np.sign(measures.signals(turned)[signal]))


class Following(unittest.TestCase):
    def test_a_driver_follows_itself(self):
        driver = moving()
        for name, found in pair(driver, driver).items():
            self.assertAlmostEqual(found["correlation"], 1.0, msg=name)
            self.assertAlmostEqual(found["slope"], 1.0, msg=name)
        self.assertEqual(measures.middle([np.ones(128)] * 3, np.ones(128)), 0.0)

    def test_half_the_motion_has_half_the_slope_whatever_the_face_at_rest(self):
        driver = moving()
        driven = 0.5 * driver + np.array([0.1, -0.2, 0.05, 0.1, 5, 5, 5])
        for found in pair(driver, driven).values():
            self.assertAlmostEqual(found["correlation"], 1.0)
            self.assertAlmostEqual(found["slope"], 0.5)

    def test_a_face_that_does_its_own_things_does_not_follow(self):
        driver, other = moving(n=600), moving(n=600, seed=2)
        for found in pair(driver, other).values():
            self.assertLess(abs(found["correlation"]), 0.2)
        for found in pair(driver, np.tile(other[0], (600, 1))).values():
            self.assertAlmostEqual(found["correlation"], 0.0)
            self.assertAlmostEqual(found["slope"], 0.0)

    def test_of_a_driver_that_keeps_still_nothing_is_said(self):
        still = moving(share=0.02)
        for found in pair(still, moving()).values():
            self.assertIsNone(found["slope"])
            self.assertIsNone(found["correlation"])

    def test_frames_without_a_face_are_left_out(self):
        driver, driven = moving(), 0.5 * moving()
        driven[::3] = np.nan
        driver[1] = np.nan
        found = measures.sums(driver, driven)
        self.assertEqual(found["n"], 39)
        self.assertAlmostEqual(measures.following([found])["lip gap"]["slope"], 0.5)
        nothing = measures.following([measures.sums(driver, np.full_like(driver, np.nan))])
        self.assertIsNone(nothing["lip gap"]["slope"])

    def test_pairs_together_are_each_about_their_own_mean(self):
        driver = moving()
        pairs = [measures.sums(driver, driver + shift) for shift in (0.0, 3.0)]
        self.assertAlmostEqual(measures.following(pairs)["yaw"]["slope"], 1.0)

    def test_groups_have_medians_and_the_least_share_of_faces(self):
        driver = moving()
        pairs = []
        for share, faces, identity in ((0.4, 1.0, 0.3), (0.8, 0.9, 0.5), (1.0, 1.0, None)):
            found = measures.sums(driver, share * driver)
            pairs.append({"faces": faces, "identity": identity, "sums": found, "signals": measures.following([found])})
        group = measures.summary(pairs)
        self.assertEqual((group["pairs"], group["faces"]), (3, 0.9))
        self.assertAlmostEqual(group["identity"], 0.4)
        self.assertAlmostEqual(group["median"]["roll"]["slope"], 0.8)
        self.assertAlmostEqual(group["pooled"]["roll"]["slope"], 2.2 / 3)
        text = measures.table([measures.row("a", group["faces"], group["median"], group["identity"])])
        self.assertIn("| 90 %  | 1.00 0.80", text)
        self.assertEqual(len({len(line) for line in text.splitlines()}), 1)


class Frames(unittest.TestCase):
    def test_the_face_at_rest_has_a_closed_mouth_and_open_eyes(self):
        faces = [face(gap=0.3), face(eyes=0.02), face(), face(turn=(30, 0, 0)), face(brows=0.6)]
        found = np.array([measures.signals(f) for f in faces])
        self.assertEqual(measures.at_rest(found), 2)
        found[2] = np.nan
        self.assertNotEqual(measures.at_rest(found), 2)

    def test_each_picture_is_measured_at_the_end_of_its_hold(self):
        shown, measured = frames.held(6, first=4)
        self.assertEqual(shown[: frames.HOLD_FIRST], [4] * frames.HOLD_FIRST)
        self.assertEqual([shown[i] for i in measured], [0, 1, 2, 3, 4, 5])
        self.assertEqual(measured[-1], len(shown) - 1)
        self.assertTrue(all(shown[i - frames.HOLD + 1] == shown[i] for i in measured))

    def test_a_set_names_groups(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("10.jpg", "9.jpg", "clip.mp4"):
                open(os.path.join(folder, name), "w", encoding="utf-8").close()
            path = os.path.join(folder, "set.toml")

            def read(text):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                return frames.read_set(path)

            sources, drivers = read('[sources]\npeople = ["*.jpg"]\n[drivers]\ntalking = "clip.mp4"\n')
            self.assertEqual([(g, os.path.basename(p)) for g, p in sources], [("people", "9.jpg"), ("people", "10.jpg")])
            self.assertEqual(drivers, [("talking", os.path.join(folder, "clip.mp4"))])
            for bad in ("[sources]\na = 'x.jpg'\n[drivers]\nb = 'clip.mp4'", "[sources]\na = '9.jpg'", "x", "[sources]\na = '9.jpg'\n[drivers]\nb = 'clip.mp4'\n[more]"):
                with self.assertRaises(frames.Problem):
                    read(bad)

    def test_names_are_in_the_order_of_their_numbers(self):
        self.assertEqual(sorted(["a10.jpg", "a9.jpg", "b1.jpg"], key=frames.in_order), ["a9.jpg", "a10.jpg", "b1.jpg"])


if __name__ == "__main__":
    unittest.main()
