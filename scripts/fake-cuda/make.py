"""Builds stand-ins for NVIDIA's libraries that ONNX Runtime's CUDA provider loads: what memory.c has, and for the rest of
what the provider calls functions that do nothing and report success.

make.py PROVIDER.so FOLDER
"""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
LIBRARIES = {"libcudart.so.13": [HERE / "memory.c"], "libcublas.so.13": [], "libcublasLt.so.13": []}
# Asked for by name at run time, or needed for their name alone.
CUDNN, OTHERS = "libcudnn.so.9", {"libcuda.so.1": "cuInit cuTensorMapEncodeTiled", "libcurand.so.10": "curandCreateGenerator"}

# A descriptor's attributes: one each, all zero.
GET_ATTRIBUTE = """
int cudnnBackendGetAttribute(void *descriptor, int name, int type, long wanted, long *count, void *values) {
  (void)descriptor, (void)name;
  enum { HANDLE = 0, BOOLEAN = 1, INT64 = 3, DOUBLE = 5, DESCRIPTOR = 15 };
  if (count) *count = 1;
  if (values && wanted > 0 && type != HANDLE && type != DESCRIPTOR)
    memset(values, 0, type == BOOLEAN || type == INT64 || type == DOUBLE ? 8 : 4);
  return 0;
}
"""


def body(name):
    """A function of that name, by what its name says."""
    if name == "cudnnGetVersion":
        return "size_t cudnnGetVersion(void) { return 91200; }"
    if name == "cudnnBackendGetAttribute":
        return GET_ATTRIBUTE
    if name.endswith("GetErrorString") or name.startswith("cublasGetStatus"):
        return f'const char *{name}(int error) {{ (void)error; return "an error of the stand-in"; }}'
    if re.match(r"cu(dnn|blas|blasLt)Create", name):
        return f"int {name}(void **made) {{ *made = calloc(1, 64); return *made ? 0 : 1; }}"
    # No algorithm: cuBLAS proper is to take over.
    return f"int {name}(void) {{ return {15 if name == 'cublasLtMatmulAlgoGetHeuristic' else 0}; }}"


def build(folder, library, names, sources=()):
    """Compiles `names` and `sources` to `library`, symbols versioned as NVIDIA's are."""
    versions = folder / f"{library}.map"
    version = library if library in LIBRARIES else ""
    versions.write_text(f"{version} {{ global: *; }};\n")
    generated = folder / f"{library}.c"
    generated.write_text("\n".join(["#include <stdlib.h>", "#include <string.h>", *map(body, names), ""]))
    command = ["gcc", "-shared", "-fPIC", "-fno-builtin", "-o", folder / library, generated, *sources]
    subprocess.run([*command, f"-Wl,-soname,{library}", f"-Wl,--version-script={versions}"], check=True)


def main():
    provider, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["nm", "-D", "--undefined-only", provider], check=True, stdout=subprocess.PIPE, text=True).stdout
    wanted = re.findall(r"(\w+)@+(lib(?:cudart|cublas|cublasLt)\.so\.13)", listed)
    for library, sources in LIBRARIES.items():
        own = {name for source in sources for name in re.findall(r"\b(\w+)\(", source.read_text())}
        build(folder, library, sorted({n for n, where in wanted if where == library} - own), sources)
    content = pathlib.Path(provider).read_bytes()
    build(folder, CUDNN, sorted({n.decode() for n in re.findall(rb"\0(cudnn[A-Z]\w+)(?=\0)", content)}))
    for library, names in OTHERS.items():
        build(folder, library, names.split())


if __name__ == "__main__":
    main()
