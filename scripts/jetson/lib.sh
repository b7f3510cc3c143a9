# shellcheck shell=bash
# What a Jetson says about itself: source it after ../lib.sh. LKG_ROOT stands for / and LKG_MACHINE for what `uname -m`
# says, for tests on other machines.

LKG_ROOT="${LKG_ROOT:-}"
MACHINE="${LKG_MACHINE:-$(uname -m)}"
RELEASE="$LKG_ROOT/etc/nv_tegra_release"

# shellcheck disable=SC2034  # what is set here is used by the scripts that source this file
# detect: leaves L4T as "36.4.3", its JETPACK, and the BOARD's name; ends where this is no Jetson that can be served.
detect() {
  local line
  [[ -r $RELEASE ]] || die "this is no Jetson: there is no $RELEASE. On x86-64 scripts/setup gpu fetches ONNX Runtime for NVIDIA GPUs, scripts/setup runtime the one for processors"
  [[ $MACHINE == aarch64 ]] || die "$RELEASE is there, but this machine is $MACHINE and no Jetson, which is aarch64"
  line="$(head -n 1 "$RELEASE")"
  [[ $line =~ R([0-9]+)\ \(release\),\ REVISION:\ ([0-9]+)(\.([0-9]+))? ]] ||
    die "$RELEASE does not begin as NVIDIA writes it ('# R36 (release), REVISION: 4.3, ...'), but: $line"
  L4T_MAJOR="${BASH_REMATCH[1]}" L4T_MINOR="${BASH_REMATCH[2]}"
  L4T="$L4T_MAJOR.$L4T_MINOR.${BASH_REMATCH[4]:-0}"
  case "$L4T_MAJOR" in
    34 | 35) JETPACK=5 ;;
    36) if ((L4T_MINOR < 4)); then JETPACK=6.0; else JETPACK=6; fi ;;
    38 | 39) JETPACK=7 ;;
    *) die "L4T $L4T is not known here: JetPack 5 (L4T 35), 6 (36) and 7 (38, 39) are. JetPack 4 (L4T 32) has a C library that is too old for the runtime" ;;
  esac
  BOARD="$(tr -d '\0' <"$LKG_ROOT/proc/device-tree/model" 2>/dev/null || echo "unknown board")"
}

# power: how the clocks are set, one line each, and what to do about it.
power() {
  local mode="" clocks=""
  if command -v nvpmodel >/dev/null; then mode="$(nvpmodel -q 2>/dev/null | sed -n 's/^NV Power Mode: *//p')"; fi
  echo "power mode: ${mode:-unknown (nvpmodel -q does not say; it may need sudo)}"
  if command -v jetson_clocks >/dev/null; then clocks="$(jetson_clocks --show 2>/dev/null | grep -E '^(cpu0|GPU|EMC)' || true)"; fi
  if [[ -n $clocks ]]; then
    echo "clocks: ${clocks//$'\n'/; }"
  else
    echo "clocks: unknown (jetson_clocks --show needs sudo)"
  fi
}
# shellcheck disable=SC2034
POWER_HINT="for numbers that can be compared: sudo nvpmodel -m 0 (the highest mode), then sudo jetson_clocks (fixes the clocks)"

# The program: a checkout's, or the package's.
find_runtime() {
  RUNTIME="${LKG_RUNTIME:-}"
  if [[ -z $RUNTIME && -x $TARGET_DIR/release/runtime ]]; then RUNTIME="$TARGET_DIR/release/runtime"; fi
  [[ -n $RUNTIME ]] || RUNTIME="$(command -v runtime || true)"
  [[ -n $RUNTIME ]] || die "there is no runtime: install its package (scripts/package arm64 makes it on another machine), run cargo build --release here, or name it in LKG_RUNTIME"
  "$RUNTIME" --version >/dev/null || die "$RUNTIME does not run here"
}

# Programs of a checkout find the bundle by themselves only from within it.
bundle() {
  if [[ -z ${LKG_BUNDLE:-} && -f $ROOT/models/faces64-edge/manifest.json ]]; then export LKG_BUNDLE="$ROOT/models/faces64-edge"; fi
}
