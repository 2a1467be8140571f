"""measure.py - one measurement each: CPU, h2load, memory, and what a recording holds."""

import json
import os
import re
import statistics
import subprocess
import time

import peers


def cpu_ns(pids):
    """CPU time so far: of first threads (the gateway's loop), and of all others (its recorder)."""
    first = rest = 0
    for pid in pids:
        for thread in os.listdir("/proc/%d/task" % pid):
            try:
                spent = int(open("/proc/%d/task/%s/schedstat" % (pid, thread)).read().split()[0])
            except OSError:
                continue
            if int(thread) == pid:
                first += spent
            else:
                rest += spent
    return first, rest


class Cpu:
    """with Cpu(target) as cpu: …; then cpu.loop, cpu.other and cpu.all are what was used, in s."""

    def __init__(self, target, settle=0.08):
        self.target, self.settle = target, settle

    def __enter__(self):
        self.before = cpu_ns(self.target.pids())
        return self

    def __exit__(self, *_):
        time.sleep(self.settle)  # what is still to be synced
        after = cpu_ns(self.target.pids())
        self.loop, self.other = ((after[i] - self.before[i]) / 1e9 for i in (0, 1))
        self.all = self.loop + self.other


def memory_kb(target, field="VmRSS"):
    total = 0
    for pid in target.pids():
        text = open("/proc/%d/status" % pid).read()
        total += int(re.search(field + r":\s+(\d+)", text).group(1))
    return total


def h2load_command(target, path, requests, connections, streams, protocol):
    command = [peers.need("h2load"), "-n", requests, "-c", connections, "-m", streams]
    if protocol == "h1":
        command.append("--h1")
    for name, value in target.headers.items():
        command += ["-H", "%s: %s" % (name, value)]
    return [str(word) for word in command + [target.url + path]]


class Load:
    """What one h2load run saw."""

    def __init__(self, target, path, requests, connections, streams, protocol, log=None):
        command = h2load_command(target, path, requests, connections, streams, protocol)
        if log:
            command[1:1] = ["--log-file", str(log)]
        place = target.place
        done = subprocess.run(command, capture_output=True, text=True, timeout=180,
                              preexec_fn=lambda: os.sched_setaffinity(0, place.load_cpu))
        found = re.search(r"finished in ([0-9.]+)(us|ms|s), ([0-9.]+) req/s", done.stdout)
        status = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if not found or not status:
            raise RuntimeError("h2load at %s: %s%s" % (target.name, done.stdout, done.stderr))
        self.rate = float(found.group(3))
        self.good = int(status.group(1))
        self.requests = requests
        self.seconds = float(found.group(1)) * {"us": 1e-6, "ms": 1e-3, "s": 1}[found.group(2)]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies_us(log):
    return [int(line.split("\t")[2]) for line in open(log)]


def median(values):
    return statistics.median(values)


def spread(values):
    """Half of the distance between the smallest and the largest, as a share of the median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


# ---- Recordings ----

FIELD = re.compile(rb'"exchange":(\d+)')
COVERS = re.compile(rb'"of":"response","offset":(\d+),"covers":(\d+)')


class Recorded:
    """What the sealed segments of a directory hold: exchanges, body bytes, and whether those of every
    50th exchange are, byte for byte, `body`."""

    def __init__(self, directory, body=None):
        self.requests = self.completes = self.body_bytes = self.plain_bytes = self.stored_bytes = 0
        self.checked = self.wrong = self.gaps = 0
        kept = {}
        for name in sorted(os.listdir(directory)):
            if not name.endswith(".zst"):
                continue
            path = os.path.join(directory, name)
            self.stored_bytes += os.path.getsize(path)
            plain = subprocess.Popen([peers.need("zstd"), "-dcq", path], stdout=subprocess.PIPE, bufsize=1 << 20)
            for line in plain.stdout:
                self.line(line, kept, body)
            if plain.wait() != 0:
                raise RuntimeError("%s cannot be decompressed" % path)

    def line(self, line, kept, body):
        self.plain_bytes += len(line)
        if line.startswith(b'{"type":"body"'):
            head = line[:500]
            covers = COVERS.search(head)
            if not covers:
                return
            self.body_bytes += int(covers.group(2))
            exchange = int(FIELD.search(head).group(1))
            if body is not None and exchange % 50 == 0:
                event = json.loads(line)
                piece = event["text"].encode() if "text" in event else event.get("latin1", "").encode("latin1")
                kept[exchange] = kept.get(exchange, b"") + piece
        elif line.startswith(b'{"type":"request"'):
            self.requests += 1
        elif line.startswith(b'{"type":"complete"'):
            self.completes += 1
            exchange = int(FIELD.search(line[:500]).group(1))
            if exchange in kept:
                self.checked += 1
                self.wrong += kept.pop(exchange) != body
        elif line.startswith(b'{"type":"gap"'):
            self.gaps += 1

    def problem(self, exchanges, body_bytes):
        """None when the recording is complete."""
        if self.requests != exchanges or self.completes != exchanges:
            return "%d requests, %d completes of %d exchanges" % (self.requests, self.completes, exchanges)
        if self.body_bytes != body_bytes:
            return "%d body bytes of %d" % (self.body_bytes, body_bytes)
        if self.wrong or self.gaps:
            return "%d bodies differ, %d gaps" % (self.wrong, self.gaps)
        return None


def commit_floor_us(directory, size=700, count=200):
    """append + fdatasync, alone: p50 and p99."""
    path = os.path.join(directory, "floor")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    data, taken = os.urandom(size), []
    for _ in range(count):
        start = time.perf_counter_ns()
        os.write(fd, data)
        os.fdatasync(fd)
        taken.append((time.perf_counter_ns() - start) / 1000)
    os.close(fd)
    os.unlink(path)
    return percentile(taken, 0.5), percentile(taken, 0.99)
