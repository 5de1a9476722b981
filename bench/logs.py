"""How fast logs and tables are read, and in how much memory: ``python -m bench.logs [--full] [--records N]``.

Writes the same requests as Parquet, CSV, JSON lines and an nginx log, and reads each with both engines, every reading
in a process of its own. 200,000 records by default, 5 million with ``--full``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KIB = 1024
MAX_RSS_UNIT = 1 if sys.platform == "darwin" else KIB  # ru_maxrss is in bytes on macOS, in KiB elsewhere
KINDS = ("parquet", "csv", "jsonl", "log")
RECORDS = 200_000
FULL_RECORDS = 5_000_000
SPAN_S = 86_400
START_S = 1_767_571_200

_REQUESTS = """
    SELECT to_timestamp({start} + {span} * i / {records}) AS time,
        ['rust', 'ts', 'go', 'csharp', 'sql', 'julia'][1 + (random() * 6)::INT % 6] AS backend,
        CASE WHEN random() < 0.02 THEN 503 ELSE 200 END AS status,
        round(exp(-2.5 + random() + random() + random() - 1.5), 3) AS latency_s
    FROM range({records}) t(i)
"""
_NGINX_LINE = (
    "'10.0.0.1 - - [' || strftime(time, '%d/%b/%Y:%H:%M:%S') || ' +0000] \"GET /render/' || backend || ' HTTP/1.1\" ' "
    "|| status || ' 5120 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" ' || printf('%.3f', latency_s)"
)


def write_logs(folder: Path, records: int) -> None:
    """Write the same requests in each format."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SELECT setseed(0.5)")
        requests = _REQUESTS.format(start=START_S, span=SPAN_S, records=records)
        parquet = folder / "requests.parquet"
        connection.execute(f"COPY ({requests}) TO '{parquet}' (FORMAT parquet)")
        text = f"SELECT * REPLACE (strftime(time, '%Y-%m-%dT%H:%M:%S.%gZ') AS time) FROM '{parquet}'"
        connection.execute(f"COPY ({text}) TO '{folder / 'requests.csv'}' (HEADER)")
        connection.execute(f"COPY ({text}) TO '{folder / 'requests.jsonl'}' (FORMAT json)")
        connection.execute(
            f"COPY (SELECT {_NGINX_LINE} AS line FROM '{parquet}') TO '{folder / 'requests.log'}' "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER e'\\x01')"
        )


def read_one(path: Path, engine: str) -> None:
    """Read a file, and print as JSON how it went."""
    import resource

    from sonify.readers.source import open_source

    import_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAX_RSS_UNIT
    begin_s = time.perf_counter()
    recording = open_source(str(path), options=[f"engine={engine}"]).read(None, None)
    took_s = time.perf_counter() - begin_s
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAX_RSS_UNIT
    requests = float(recording.request_rate.sum() * recording.layout.interval_s)
    print(json.dumps({"s": took_s, "peak": peak_bytes, "before": import_bytes, "requests": requests}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=f"{FULL_RECORDS} records")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--one", nargs=2, metavar=("FILE", "ENGINE"), help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        read_one(Path(arguments.one[0]), arguments.one[1])
        return
    if arguments.write:
        write_logs(Path(arguments.write), arguments.records)
        return
    records = FULL_RECORDS if arguments.full else arguments.records
    print(f"{records} records over {SPAN_S // 3600} h, six backends")
    print(f"{'file':18} {'MB':>7} {'engine':8} {'s':>7} {'records/s':>11} {'peak MiB':>9} {'of that imports':>16}")
    with tempfile.TemporaryDirectory() as name:
        # this process stays small: what it held would count as its children's
        subprocess.run([sys.executable, "-m", "bench.logs", "--write", name, f"--records={records}"], check=True)
        for path in (Path(name, f"requests.{kind}") for kind in KINDS):
            for engine in ("duckdb", "plain"):
                if engine == "plain" and path.suffix == ".parquet":
                    continue
                command = [sys.executable, "-m", "bench.logs", "--one", str(path), engine]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                result = json.loads(done.stdout)
                if round(result["requests"]) != records:
                    raise SystemExit(f"{path.name}, {engine}: {result['requests']} requests counted of {records}")
                print(
                    f"{path.name:18} {path.stat().st_size / 1e6:7.1f} {engine:8} {result['s']:7.2f} "
                    f"{records / result['s']:11,.0f} {result['peak'] / KIB**2:9.0f} {result['before'] / KIB**2:16.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
