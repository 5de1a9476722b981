#!/bin/sh
# Install the programs that tests (and with "bench", benchmarks) run against, where that is allowed; else say what is missing.
set -eu

programs="prometheus promtool prometheus-node-exporter victoria-metrics haproxy nginx ffmpeg openssl
          pulseaudio parec jackd jack_wait fluidsynth chromium"
packages="prometheus prometheus-node-exporter victoria-metrics haproxy nginx-light ffmpeg openssl
          pulseaudio pulseaudio-utils libasound2-plugins libportaudio2 jackd2 fluidsynth timgm6mb-soundfont chromium"
if [ "${1:-}" = bench ]; then
    programs="scsynth csound"
    packages="supercollider-server csound"
fi

missing=""
for program in $programs; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing what is missing:$missing"
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086  # several packages are meant
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages >/dev/null
else
    echo "not installed, so tests that need them are skipped:$missing"
fi
