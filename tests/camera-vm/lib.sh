# shellcheck shell=bash
# What the checks share. Each runs in an empty folder of its own; descriptor 3 takes the line that says what was seen or
# what is wrong. The webcam is /dev/video0 where it is plugged in; the loopbacks are 10 and 11, the test pattern is 20.
set -euo pipefail

VHCI=/sys/devices/platform/vhci_hcd.0
CHILDREN=()

seen() { echo "$*" >&3; }
fail() { echo "$*" >&3; exit 1; }
skip() { echo "$*" >&3; exit 77; }

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds; else the check fails with WHAT.
wait_for() {
  local end=$((SECONDS + $1)) what="$2"
  shift 2
  until "$@" 2>/dev/null; do
    ((SECONDS <= end)) || fail "$what"
    sleep 0.1
  done
}

# plug: the webcam is there. plug_as NAME: under another name.
plug() { plug_as 'Virtual Webcam'; }
plug_as() {
  wait_for 10 "the port is not free: $(cat $VHCI/status)" port_is_free
  "$CAMERA" webcam "$CLIP" "$1" >>webcam.txt 2>&1 &
  WEBCAM=$!
  CHILDREN+=("$WEBCAM")
  wait_for 20 "the webcam did not appear: $(tail -n 1 webcam.txt)" test -c /dev/video0 -a -e /sys/class/video4linux/video0/name
}
port_is_free() { grep -q '^hs  0000 004' $VHCI/status; }

# unplug: pulls the plug while whatever streams.
unplug() { echo 0 >$VHCI/detach; }

# start ARGS...: `runtime webcam ARGS` without a window, in the background; its process is RUN, what it prints is in
# run.json and run.err.
start() {
  "$RUNTIME" webcam --headless --no-hud --provider cpu --json "$@" >run.json 2>run.err &
  RUN=$!
  CHILDREN+=("$RUN")
}

# finish CODE: waits for what `start` began to end with that exit code.
finish() {
  local rc=0
  wait "$RUN" || rc=$?
  ((rc == $1)) || fail "exit code $rc, not $1: $(tail -n 1 run.err)"
}

# run CODE ARGS...: both.
run() {
  local code="$1"
  shift
  start "$@"
  finish "$code"
}

# Pictures without drawing: nothing is ever that certain.
# shellcheck disable=SC2034  # used by the checks
PLAIN=(--min-confidence 1)

# field NAME [FILE]: a number or word of the summary.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "${2:-run.json}" | head -n 1; }

# recorded FILE N: the clip is whole and has N frames.
recorded() {
  local frames
  "$RUNTIME" webcam "$1" --headless --no-hud --provider cpu --json --keypoints play.jsonl --force >play.json 2>play.err ||
    fail "$1 does not play: $(tail -n 1 play.err)"
  frames="$(field frames play.json)"
  ((frames == $2)) || fail "$1 has $frames frames, the summary said $2"
}

# said TEXT: the runtime said so.
said() { grep -q -e "$1" run.err; }

# above A B: A > B, for numbers with fractions.
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

cleanup() {
  local child
  for child in "${CHILDREN[@]}"; do kill -CONT "$child" 2>/dev/null && kill "$child" 2>/dev/null; done
  wait
}
trap cleanup EXIT
