#!/usr/bin/env bash
# /// aikore
# name = "Log test"
# category = "Tools"
# description = "Writes every kind of output, then one line a second: shows what a log view can do"
# ready = "process"
# ///
set -euo pipefail
# shellcheck source=functions.sh
source "$AIKORE_FUNCTIONS"

stage "Colours"
for colour in 31 32 33 34 35 36; do
    printf '\033[%sm colour %s \033[1mbold\033[0m ' "$colour" "$colour"
done
printf '\n\033[38;5;208m256 colours\033[0m \033[38;2;120;80;220mtrue colour\033[0m \033[4munderlined\033[0m\n'

stage "Both streams, in order"
for number in {1..10}; do
    printf 'out %s\n' "$number"
    printf 'err %s\n' "$number" >&2
done

stage "Progress"
for percent in {0..100..4}; do
    printf '\rdownloading %3d%%' "$percent"
    sleep 0.05
done
printf '\n'

stage "Unicode"
printf 'äöü ß · 日本語 · العربية · עברית · 🎨🚀👩‍🚀 · e\xcc\x81 · bad UTF-8: \xff\xfe\n'

stage "A long line"
printf 'x%.0s' {1..10000}
printf ' end of 10000\n'

stage "Ticking"
# shellcheck disable=SC2016 # the inner shell expands it
exec bash -c 'for ((tick = 1; ; tick++)); do printf "tick %d\n" "$tick" && sleep 1; done'
