"""The package itself: what it needs, what it brings along, its stubs, its documentation's and notebook's code."""

import ast
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import lkg
from common import CLIP, DRAWN, PHOTO, ROOT, SMALL, Case

PACKAGE = pathlib.Path(lkg.__file__).parent
PICTURES = pathlib.Path(os.environ["LKG_TEST_PICTURES"])


def python(code, **variables):
    """What another interpreter prints."""
    environment = {**os.environ, **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


class Package(Case):
    def test_importing_it_needs_nothing_and_loads_no_runtime(self):
        said = python(
            "import sys; sys.modules['numpy'] = None; import lkg, os; "
            "print(lkg.__version__, os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime.so' in open('/proc/self/maps').read())"
        )
        self.assertEqual(said, f"{lkg.__version__} 1 False")

    def test_onnx_runtime_and_a_bundle_are_in_it(self):
        code = "import lkg; print(lkg.Detector(provider='cpu').bundle.path); print(open('/proc/self/maps').read())"
        bundle, *maps = python(code).splitlines()
        self.assertEqual(pathlib.Path(bundle), PACKAGE / "models" / "faces64-edge")
        loaded = {line.split()[-1] for line in maps if "libonnxruntime.so" in line}
        self.assertEqual(loaded, {str(path) for path in (PACKAGE / "onnxruntime").glob("libonnxruntime.so.*")})
        self.assertTrue((PACKAGE / "onnxruntime" / "ThirdPartyNotices.txt").stat().st_size > 100_000)
        notices = (PACKAGE / "licences" / "THIRD-PARTY-NOTICES.txt").read_text()
        self.assertIn("pyo3 ", notices)
        named = {part["name"] for part in json.loads((PACKAGE / "licences" / "sbom.cdx.json").read_text())["components"]}
        self.assertLessEqual({"numpy", "ort", "onnxruntime", "faces64-edge"}, named)

    def test_variables_name_another_library_and_bundle(self):
        said = python("import lkg; lkg.Detector()", ORT_DYLIB_PATH="/nowhere/libonnxruntime.so")
        self.assertIn("lkg.LibraryError", said)
        self.assertIn("/nowhere/libonnxruntime.so", said)
        self.assertEqual(python("import lkg; print(lkg.Bundle().name)", LKG_BUNDLE=str(DRAWN)), lkg.Bundle(DRAWN).name)

    def test_exceptions_are_one_family(self):
        kinds = [value for value in vars(lkg).values() if isinstance(value, type) and issubclass(value, Exception)]
        self.assertEqual(len(kinds), 9)
        self.assertTrue(all(issubclass(kind, lkg.Error) and kind.__doc__ for kind in kinds))

    def test_stubs_name_what_there_is_and_nothing_else(self):
        self.assertTrue((PACKAGE / "py.typed").is_file())
        tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.assertEqual(set(lkg.__all__) - {"__version__"}, set(classes) | set(functions))

        def arguments(node):
            named = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            return [name for name in named if name != "self"]

        def signature(text):
            inner = re.sub(r"^\((\$self|\$cls)?,? ?|\)$", "", text or "")
            return [part.split("=")[0].strip() for part in re.sub(r"\([^()]*\)", "", inner).split(",")
                    if part.strip() not in ("", "*", "/")]

        for name, node in functions.items():
            self.assertEqual(arguments(node), signature(getattr(lkg, name).__text_signature__), name)
            self.assertTrue(ast.get_docstring(node), name)
        for name, node in classes.items():
            self.assertTrue(ast.get_docstring(node), name)
            kind = getattr(lkg, name)
            stubs = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            public = {item.name for item in stubs if not item.name.startswith("_")}
            if not issubclass(kind, Exception):
                self.assertEqual(public, {n for n in vars(kind) if not n.startswith("_")}, name)
            for item in stubs:
                if item.name == "__init__":
                    self.assertEqual(arguments(item), signature(kind.__text_signature__), name)
                elif item.name in public:
                    self.assertTrue(ast.get_docstring(item), f"{name}.{item.name}")
                    if not any(isinstance(d, ast.Name) and d.id == "property" for d in item.decorator_list):
                        told = getattr(kind, item.name).__text_signature__
                        self.assertEqual(arguments(item), signature(told), f"{name}.{item.name}")


class Shown(Case):
    """Code that users read is run."""

    def setUp(self):
        super().setUp()
        # What the code prints is for people.
        quiet = contextlib.redirect_stdout(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        before = pathlib.Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        shutil.copy(PHOTO, "photo.jpg")
        shutil.copy(CLIP, "clip.mp4")
        os.symlink(ROOT / "models", "models")

    def test_the_how_to(self):
        text = (ROOT / "docs/how-to/python.md").read_text()
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        self.assertGreater(len(blocks), 3)
        names = {}
        for block in blocks:
            exec(compile(block, "python.md", "exec"), names)

    def test_the_notebook(self):
        notebook = json.loads((ROOT / "runtime/python/examples/keypoints.ipynb").read_text())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.assertTrue(all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), "outputs are not kept")
        names, shown = {}, 0
        for cell in cells:
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), "keypoints.ipynb", "exec"), names)
            value = last and eval(compile(ast.Expression(last.value), "keypoints.ipynb", "eval"), names)
            if hasattr(value, "_repr_png_"):
                (PICTURES / f"{shown}.png").write_bytes(value._repr_png_())
                shown += 1
        self.assertEqual(shown, 3)


if __name__ == "__main__":
    unittest.main()
