"""What a package of the runtime is made of. Usage: supply_chain.py TARGET BUNDLE ONNXRUNTIME OUT [CRATE]

Writes OUT/sbom.cdx.json (CycloneDX 1.5) and OUT/THIRD-PARTY-NOTICES.txt: every crate that is compiled into the program,
or into CRATE, for TARGET, ONNX Runtime from the folder ONNXRUNTIME, the font, and the bundle BUNDLE (- is none). The same input gives the same bytes. Fails
where a licence or its text is missing. Run it in the root of the checkout, after the crates were fetched.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def compiled_in(target, crate):
    """Names and versions of the crates that `crate` is linked from, ours left out."""
    lines = cargo("tree", "--locked", "--package", crate, "--edges", "normal", "--target", target, "--prefix", "none",
                  "--format", "{p}").splitlines()
    found = (re.match(r"(\S+) v(\S+)(.*)", line) for line in lines)
    return sorted({(m[1], m[2]) for m in found if m and "(/" not in m[3]})


def licence_texts(folder):
    """The texts that lie in a crate's folder, or in that of the sources that it brings along."""
    for place in (folder, folder / "upstream"):
        files = sorted(f for f in place.glob("*") if f.is_file() and LICENCE_FILE.match(f.name)) if place.is_dir() else []
        if files:
            return [f.read_text(encoding="utf-8", errors="replace").strip() for f in files]
    return []


def standard_text(licence, authors):
    """The text of a licence for a crate that does not bring it."""
    holders = "Copyright (c) " + (", ".join(re.sub(r"\s*<.*?>", "", a) for a in authors) or "the authors") + "\n\n"
    if "Apache-2.0" in licence:
        return holders + pathlib.Path("LICENSE").read_text(encoding="utf-8").strip()
    if licence == "MIT":
        return holders + MIT.strip()
    return None


def crates(target, crate):
    """Each crate as (component of the list, texts)."""
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked"))
    packages = {(p["name"], p["version"]): p for p in metadata["packages"]}
    locked = tomllib.loads(pathlib.Path("Cargo.lock").read_text(encoding="utf-8"))["package"]
    sums = {(p["name"], p["version"]): p.get("checksum") for p in locked}
    # Crates of one project lie in one repository: a text that one of them brings is that of the others.
    by_project = {}
    for package in packages.values():
        texts = licence_texts(pathlib.Path(package["manifest_path"]).parent)
        if texts and package["repository"]:
            by_project.setdefault(package["repository"].removesuffix(".git"), texts)
    for name, version in compiled_in(target, crate):
        package = packages[name, version]
        licence = (package["license"] or "").replace("/", " OR ")
        folder = pathlib.Path(package["manifest_path"]).parent
        standard = standard_text(licence, package["authors"])
        texts = licence_texts(folder) or by_project.get((package["repository"] or "").removesuffix(".git")) or [standard]
        if not licence or None in texts:
            sys.exit(f"{name} {version}: no licence, or no text of it: name one in scripts/supply_chain.py")
        purl = f"pkg:cargo/{name}@{version}"
        component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
                     "licenses": [{"expression": licence}]}
        if sums[name, version]:
            component["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
        yield component, texts


def sha256(path):
    return {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}


def onnx_runtime(folder):
    library = next(iter(sorted((folder / "lib").glob("libonnxruntime.so.*"))), None)
    texts = [folder / name for name in ("LICENSE", "ThirdPartyNotices.txt")]
    if library is None or not all(text.is_file() for text in texts):
        sys.exit(f"{folder} has no libonnxruntime.so.* with LICENSE and ThirdPartyNotices.txt: run scripts/setup runtime")
    version = library.name.removeprefix("libonnxruntime.so.")
    purl = f"pkg:pypi/onnxruntime@{version}"
    component = {"type": "library", "bom-ref": purl, "name": "onnxruntime", "version": version, "purl": purl,
                 "licenses": [{"license": {"id": "MIT"}}], "hashes": [sha256(library)]}
    return component, [text.read_text(encoding="utf-8", errors="replace").strip() for text in texts]


def font():
    text = pathlib.Path("runtime/package/NotoSans-OFL.txt")
    component = {"type": "data", "bom-ref": "font:noto-sans", "name": "Noto Sans", "licenses": [{"license": {"id": "OFL-1.1"}}]}
    return component, [text.read_text(encoding="utf-8").strip()]


def bundle(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    name = manifest["name"]
    files = [{"type": "file", "bom-ref": f"bundle:{name}/{f.name}", "name": f.name, "hashes": [sha256(f)]}
             for f in sorted(folder.glob("*.onnx"))]
    # The weights are the project's own; their card says what they were made from.
    return {"type": "machine-learning-model", "bom-ref": f"bundle:{name}", "name": name,
            "licenses": [{"license": {"id": "Apache-2.0"}}], "hashes": [sha256(folder / "manifest.json")], "components": files}


def main():
    target, bundle_folder, ort_folder, out = sys.argv[1], *map(pathlib.Path, sys.argv[2:5])
    crate = sys.argv[5] if len(sys.argv) > 5 else "lkg-runtime"
    kind = "application" if crate == "lkg-runtime" else "library"
    version = tomllib.loads(pathlib.Path("Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    parts = [*crates(target, crate), onnx_runtime(ort_folder), font()]
    program = {"type": kind, "bom-ref": "latentkeypoint-runtime", "name": "latentkeypoint-runtime", "version": version,
               "licenses": [{"license": {"id": "Apache-2.0"}}]}
    components = [component for component, _ in parts] + ([] if str(bundle_folder) == "-" else [bundle(bundle_folder)])
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
           "metadata": {"component": program, "properties": [{"name": "target", "value": target}]}, "components": components,
           "dependencies": [{"ref": program["bom-ref"], "dependsOn": [c["bom-ref"] for c in components]}]}
    bom["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True)).urn
    out.mkdir(parents=True, exist_ok=True)
    (out / "sbom.cdx.json").write_text(json.dumps(bom, indent=1) + "\n", encoding="utf-8")
    # One text once, however many have it.
    by_text = {}
    for component, texts in parts:
        about = f"{component['name']} {component.get('version', '')}".strip()
        licence = component["licenses"][0]
        about += f" ({licence.get('expression') or licence['license']['id']})"
        for text in texts:
            by_text.setdefault(text, []).append(about)
    line = "-" * 100
    notices = "".join(f"{line}\n{', '.join(names)}\n{line}\n\n{text}\n\n\n" for text, names in by_text.items())
    head = f"What the runtime for {target} is made of beside its own code, and on which terms. Its own are in the file copyright.\n\n\n"
    (out / "THIRD-PARTY-NOTICES.txt").write_text(head + notices, encoding="utf-8")
    print(f"{len(components)} components, {len(by_text)} texts")


if __name__ == "__main__":
    main()
