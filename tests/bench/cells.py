"""cells.py - the measurements, each over all targets interleaved in one run."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time

import measure
import peers
from peers import KB, MB

SMALL, LIST, LARGE, HUGE = list(peers.FILES)[:4]


class Result(dict):
    """What a target showed in a cell: lists, one value per round."""

    def add(self, **values):
        for name, value in values.items():
            self.setdefault(name, []).append(value)


@contextlib.contextmanager
def started(bench, kinds, protocol=None):
    """Those of `kinds` that are there, each started; all of them ended afterwards."""
    targets = []
    try:
        for kind in kinds:
            if protocol and protocol not in kind.protocols:
                continue
            if kind.name in bench.absent:
                continue
            try:
                targets.append(bench.origin if kind is peers.Origin else kind(bench.place, bench.origin))
            except peers.Absent as absent:
                bench.absent[kind.name] = str(absent)
                bench.note("without %s: %s" % (kind.name, absent))
        yield targets
    finally:
        for target in targets:
            if target is not bench.origin:
                target.stop()


def recorded_check(bench, target, exchanges, body):
    """After target.stop(): is everything in the recording? A short word for the table."""
    if target.records:
        found = measure.Recorded(target.directory, body)
        problem = found.problem(exchanges, exchanges * len(body))
        shutil.rmtree(target.directory)
        if problem:
            bench.problems.append("%s: the recording is not complete: %s" % (target.name, problem))
            return "NOT COMPLETE: " + problem
        return "%d x %d bytes, %d compared" % (found.completes, len(body), found.checked)
    flows = bench.place.path / ("mitm-%d.flows" % target.port())
    if flows.exists():
        size = flows.stat().st_size
        flows.unlink()
        return "%.0f %% of the bytes" % min(100, 100 * size / (exchanges * len(body)))
    return ""


# (name, path, protocol, connections, streams, requests per round, for slow targets)
GRID = (
    ("1 KB h2", SMALL, "h2", 8, 32, 8000, 200),
    ("20 KB h2", LIST, "h2", 8, 16, 4000, 200),
    ("1 MB h2", LARGE, "h2", 4, 4, 80, 16),
    ("1 KB h1", SMALL, "h1", 32, 1, 5000, 200),
    ("20 KB h1", LIST, "h1", 32, 1, 3000, 200),
    ("1 MB h1", LARGE, "h1", 4, 1, 80, 16),
)


def grid(bench, cells):
    """CPU per request (all threads; loop and recorder apart), requests/s, RSS. Fills `cells`."""
    for name, path, protocol, connections, streams, many, few in GRID:
        if bench.quick:
            many //= 4
        if bench.only and not bench.wants(name):
            continue
        body = bench.place.bodies[path]
        cell = cells[name] = {}
        with started(bench, (peers.Origin,) + bench.peers, protocol) as targets:
            exchanges = {}
            for target in targets:
                warm = connections * streams * (1 if target.slow else 2)
                measure.Load(target, path, warm, connections, streams, protocol)
                exchanges[target] = warm
            for number in range(bench.rounds):
                for target in targets[number % len(targets):] + targets[:number % len(targets)]:
                    count = few if target.slow else many
                    count = max(count // (4 if bench.quick and target.slow else 1), connections)
                    with measure.Cpu(target) as cpu:
                        load = measure.Load(target, path, count, connections, streams, protocol)
                    exchanges[target] += count
                    if load.good != count:
                        bench.problems.append("%s, %s: %d of %d answers were good" % (
                            target.name, name, load.good, count))
                    cell.setdefault(target.name, Result()).add(
                        cpu_us=cpu.all / count * 1e6, loop_us=cpu.loop / count * 1e6,
                        other_us=cpu.other / count * 1e6, rps=load.rate, rss_kb=measure.memory_kb(target))
            for target in targets:
                if target is not bench.origin:
                    target.stop()
                    cell[target.name]["recorded"] = recorded_check(bench, target, exchanges[target], body)
    return cells


LATENCY = (("1 KB h2", SMALL, "h2"), ("20 KB h2", LIST, "h2"), ("1 KB h1", SMALL, "h1"))


def latency(bench):
    """One connection, one request after the other, as kubectl works."""
    cells = {}
    for name, path, protocol in LATENCY:
        cell = cells[name] = {}
        with started(bench, (peers.Origin,) + bench.peers, protocol) as targets:
            log = bench.place.path / "latency.log"
            for _ in range(bench.rounds):
                for target in targets:
                    measure.Load(target, path, 20, 1, 1, protocol)
                    log.unlink(missing_ok=True)
                    count = (60 if target.slow else 500) // (2 if bench.quick else 1)
                    measure.Load(target, path, count, 1, 1, protocol, log)
                    taken = measure.latencies_us(log)
                    cell.setdefault(target.name, Result()).add(
                        p50_us=measure.percentile(taken, 0.5), p99_us=measure.percentile(taken, 0.99))
    return cells


def connections(bench):
    """CPU of a TLS handshake and one request on it."""
    cell, count = {}, 100 if bench.quick else 300
    kinds = [kind for kind in bench.peers if not kind.slow and kind is not peers.KubectlProxy]
    with started(bench, kinds) as targets:
        for target in targets:
            measure.Load(target, SMALL, 20, 20, 1, "h2")
        for _ in range(bench.rounds):
            for target in targets:
                with measure.Cpu(target) as cpu:
                    measure.Load(target, SMALL, count, count, 1, "h2")
                cell.setdefault(target.name, Result()).add(cpu_us=cpu.all / count * 1e6)
    return cell


def fresh_kinds(bench):
    """Where each target is measured alone, in a process of its own, one after the other."""
    if bench.quick:
        return [kind for kind in bench.peers if kind in (peers.Gateway, peers.Nginx)]
    return [kind for kind in bench.peers if kind not in (peers.Mitmdump, peers.GatewayStrict)]


def watches(bench):
    """Memory of 1,000 idle watches: ten connections of a hundred, and a thousand of one."""
    cells, per = {}, 20 if bench.quick else 100
    for name, count, streams in (("%d watches, 10 connections" % (10 * per), 10, per),
                                 ("%d watches, own connections" % (10 * per), 10 * per, 1)):
        cell = cells[name] = {}
        for kind in fresh_kinds(bench):
            if kind is peers.KubectlProxy:
                continue
            with started(bench, (kind,)) as targets:  # a fresh process each
                for target in targets:
                    measure.Load(target, SMALL, 20, 2, 5, "h2")
                    base = measure.memory_kb(target)
                    command = measure.h2load_command(target, peers.WATCH, 10 * per, count, streams, "h2")
                    load = bench.place.spawn(command, bench.place.load_cpu, "watches")
                    last, still = base, 0
                    for _ in range(60):  # until it grows no more
                        time.sleep(0.25)
                        now = measure.memory_kb(target)
                        still = still + 1 if abs(now - last) < 64 else 0
                        last = now
                        if still == 4:
                            break
                    cell[target.name] = {"kb_each": [(last - base) / (10 * per)], "rss_mb": [last / 1024]}
                    with measure.Cpu(target) as cpu:
                        measure.Load(target, SMALL, 1000, 4, 8, "h2")
                    cell[target.name]["cpu_us_beside"] = [cpu.all / 1000 * 1e6]
                    bench.place.end(load, 2)
                    time.sleep(3.5)  # a gateway that is idle gives back what it had
                    cell[target.name]["rss_mb_after"] = [measure.memory_kb(target) / 1024]
    return cells


def read_slowly(target, stop, bytes_per_s, counted):
    connection, prefix = target.connection()
    try:
        connection.request("GET", prefix + HUGE, headers=target.headers)
        answer = connection.getresponse()
        while not stop.is_set():
            piece = answer.read(bytes_per_s // 10)
            if not piece:
                break
            counted.append(len(piece))
            stop.wait(0.1)
    except OSError:
        pass
    finally:
        connection.close()


def slow_readers(bench):
    """20 clients that read 100 MB at 300 KB/s each: memory, and what is left for the others."""
    cell, readers = {}, 20
    for kind in fresh_kinds(bench):
        protocol = kind.protocols[0]
        with started(bench, (kind,)) as targets:
            for target in targets:
                def others():
                    return measure.Load(target, LIST, 1000 if bench.quick else 3000, 4, 4 if protocol == "h2" else 1,
                                        protocol).rate
                others()
                free, base = others(), measure.memory_kb(target)
                stop, counted = threading.Event(), []
                threads = [threading.Thread(target=read_slowly, args=(target, stop, 300 * KB, counted), daemon=True)
                           for _ in range(readers)]
                for thread in threads:
                    thread.start()
                time.sleep(2)
                beside = others()
                grown = measure.memory_kb(target) - base
                stop.set()
                for thread in threads:
                    thread.join(10)
                cell[target.name] = {"rps_share": [beside / free], "grown_mb": [grown / 1024],
                                     "rps": [beside], "read_mb": [sum(counted) / MB]}
    return cell


def huge(bench):
    """100 MB over one h1 connection."""
    cell = {}
    kinds = [kind for kind in bench.peers if not kind.slow]
    with started(bench, (peers.Origin,) + tuple(kinds)) as targets:
        for _ in range(1 if bench.quick else 3):
            for target in targets:
                with measure.Cpu(target) as cpu:
                    load = measure.Load(target, HUGE, 1, 1, 1, "h1")
                cell.setdefault(target.name, Result()).add(
                    cpu_ms=cpu.all * 1e3, mb_per_s=len(bench.place.bodies[HUGE]) / MB / load.seconds)
    return cell


def syscalls(bench):
    """System calls per request of a busy gateway, by strace."""
    cell = {}
    strace = peers.need("strace")
    for name, path, count, conns, streams in (("1 KB h2", SMALL, 3000, 8, 32), ("1 MB h2", LARGE, 60, 4, 4)):
        with started(bench, (peers.Gateway, peers.Nginx)) as targets:
            for target in targets:
                measure.Load(target, path, conns * 2, conns, streams, "h2")
                out = bench.place.path / "strace.out"
                tracer = bench.place.spawn([strace, "-c", "-f", "-o", out, "-p", target.pids()[0]],
                                           bench.place.load_cpu, "strace")
                time.sleep(0.7)
                measure.Load(target, path, count, conns, streams, "h2")
                tracer.send_signal(2)
                tracer.wait(10)
                bench.place.end(tracer)
                total = [line.split() for line in open(out) if line.rstrip().endswith("total")]
                if total:
                    cell.setdefault(name, {})[target.name] = int(total[0][2 if len(total[0]) < 6 else 3]) / count
    return cell


def kubectl(bench):
    """`kubectl get pods`, a process each: wall clock and CPU of kubectl itself."""
    cell, count = {}, 3 if bench.quick else 10
    program = os.environ.get("PEER_KUBECTL") or peers.need("kubectl")

    def once(arguments, environment=None):
        start, before = time.perf_counter(), os.times()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       env=dict(os.environ, **(environment or {})), timeout=60)
        after = os.times()
        return (time.perf_counter() - start) * 1e3, (after[2] + after[3] - before[2] - before[3]) * 1e3

    with started(bench, (peers.Gateway,)) as targets:
        for target in targets:
            home = bench.place.path / "home"
            for name in ("", "state", "run"):
                (home / name).mkdir(mode=0o700, exist_ok=True)
            direct = str(bench.place.path / "origin.kubeconfig")
            get = ["get", "pods", "--cache-dir=" + str(home / "cache")]
            environment = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"),
                           "XDG_RUNTIME_DIR": str(home / "run"), "KUBECONFIG": direct}
            ways = {
                "direct": ([program, "--kubeconfig", direct, *get], environment),
                "through": ([program, "--kubeconfig", target.kubeconfig, *get], environment),
                "kubectl hoop exec -- kubectl": (
                    [str(bench.place.build / "cmd/kubectl-hoop"), "exec", "--", program, *get], environment),
            }
            for number in range(count + 1):
                for name, (arguments, extra) in ways.items():
                    try:
                        wall, cpu = once(arguments, extra)
                    except (subprocess.SubprocessError, OSError) as problem:
                        detail = getattr(problem, "stderr", b"") or b""
                        bench.problems.append("kubectl %s: %s" % (name, detail.decode()[-300:] or problem))
                        return cell
                    if number:  # the first one fills caches
                        cell.setdefault(name, Result()).add(wall_ms=wall, cpu_ms=cpu)
    return cell


def recorder(bench):
    """The recorder's stages alone, and the disk's."""
    import json
    found = {}
    for name, path in (("20 KB", LIST), ("1 MB", LARGE)):
        file = bench.place.path / "root" / (path[1:] + ".json")
        done = subprocess.run([str(bench.place.build / "tests/bench/recorder_speed"), str(file)], check=True,
                              capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, bench.place.proxy_cpu))
        found[name] = json.loads(done.stdout)
    found["commit"] = {str(size): measure.commit_floor_us(bench.place.path, size) for size in (700, 4096, 65536)}
    return found
