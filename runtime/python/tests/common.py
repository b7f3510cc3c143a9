"""What the tests share. scripts/test-python sets the variables."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import unittest

import lkg

ROOT = pathlib.Path(os.environ["LKG_TEST_ROOT"])
CLIP = pathlib.Path(os.environ["LKG_TEST_CLIP"])
PHOTO = ROOT / "tests/fixtures/e12158f/photo.jpg"
SMALL, DRAWN, PORTRAIT, CARTOONS = (
    ROOT / "models" / name for name in ("faces64-edge", "faces128", "portrait128", "cartoons64")
)


def runtime(bundle, *arguments, folder=None):
    """What the program prints; it runs on the processor with the library that the package has."""
    library = next((pathlib.Path(lkg.__file__).parent / "onnxruntime").glob("libonnxruntime.so.*"))
    environment = {**os.environ, "ORT_DYLIB_PATH": str(library), "LKG_CONFIG": ""}
    command = [os.environ["RUNTIME"], "--bundle", str(bundle), "--provider", "cpu", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stderr}")
    return done.stdout


def memory():
    """Memory of this process, kB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    @contextlib.contextmanager
    def refused(self, kind, *parts):
        """Expects exactly this exception, with these parts in its message, on one line."""
        with self.assertRaises(lkg.Error) as raised:
            yield
        message = str(raised.exception)
        self.assertIs(type(raised.exception), kind, message)
        self.assertNotIn("\n", message)
        for part in parts:
            self.assertIn(part, message)
