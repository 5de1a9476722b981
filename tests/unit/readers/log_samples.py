"""Requests with a known truth, written as logs and tables of each kind."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

START_S = 1_767_600_000
BACKENDS = ("go", "rust", "ts")


class Sent(NamedTuple):
    """One request: its end in Unix s, latency in s, status, backend, and whether another backend served it."""

    t: float
    latency_s: float
    status: int
    backend: str
    is_fallback: bool


def requests(number: int, span_s: float, seed: int = 1) -> list[Sent]:
    """Make requests at random times, in order of their ends."""
    rng = random.Random(seed)
    ends = sorted(rng.uniform(0.0, span_s) for _ in range(number))
    return [
        Sent(
            START_S + round(end, 3),
            round(rng.lognormvariate(-2.5, 1.2), 3),
            rng.choices((200, 404, 500, 503), (90, 5, 3, 2))[0],
            rng.choices(BACKENDS, (1, 5, 2))[0],
            rng.random() < 0.1,
        )
        for end in ends
    ]


def combined_line(sent: Sent, *, latency: str | None = None) -> str:
    """Line of nginx' combined format with ``$request_time``."""
    time = datetime.fromtimestamp(int(sent.t), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    took = f"{sent.latency_s:.3f}" if latency is None else latency
    return f'10.1.2.3 - - [{time}] "GET /a?b=\\x22c HTTP/1.1" {sent.status} 512 "-" "curl/8 (x \\"y\\")" {took}'


def json_line(sent: Sent) -> str:
    """Line of JSON with a nested backend."""
    time = datetime.fromtimestamp(sent.t, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {
            "@timestamp": time,
            "service": {"name": sent.backend},
            "status": sent.status,
            "duration_ms": round(sent.latency_s * 1000.0, 3),
            "fallback": sent.is_fallback,
        }
    )


def write_combined(path: Path, sent: Sequence[Sent]) -> Path:
    text = "".join(f"{combined_line(one)}\n" for one in sent)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def write_json(path: Path, sent: Sequence[Sent]) -> Path:
    path.write_text("".join(f"{json_line(one)}\n" for one in sent))
    return path


def write_csv(path: Path, sent: Sequence[Sent], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["timestamp", "service", "status", "latency_s", "fallback", "note"])
        for one in sent:
            writer.writerow([f"{one.t:.3f}", one.backend, one.status, one.latency_s, int(one.is_fallback), 'a "b", c'])
    return path
