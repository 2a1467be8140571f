"""workloads.py - three days of a cluster in small: what is stored, and the CPU per recorded MB."""

import random
import shutil
import subprocess

import bodies
import cells
import measure
import peers


def polling_agent(origin, quick):
    """`kubectl get pods -o json` again and again; one pod in thirty changes between two of them."""
    rng, pods, version = random.Random(11), bodies.pods(150), 200000
    lists = []
    for _ in range(40 if quick else 150):
        for index in rng.sample(range(len(pods)), 5):
            version += 1
            pods[index]["metadata"]["resourceVersion"] = str(version)
            pods[index]["status"]["containerStatuses"][0]["restartCount"] += 1
        lists.append(bodies.compact(bodies.pod_list(pods, version)))
    answers = iter(lists)
    origin.live.answers["/-/poll"] = lambda: next(answers)
    return [("GET", "/-/poll", None)] * len(lists), sum(map(len, lists))


def helm_upgrade(origin, quick):
    """OpenAPI, the release's history, GET and PATCH of each object, then polls until it is rolled out."""
    document = bodies.openapi(1500000)
    secrets = [bodies.release_secret(n, n) for n in range(6)]
    maps = [bodies.config_map("object-%d" % n, 2500, n) for n in range(70)]
    rollout = [bodies.compact(bodies.pod_list(bodies.pods(6, 3), 5000 + n)) for n in range(10 if quick else 40)]
    origin.live.answers["/-/openapi"] = lambda: document
    calls, size = [("GET", "/-/openapi", None)], len(document)
    for n, secret in enumerate(secrets):
        origin.live.answers["/-/history/%d" % n] = lambda secret=secret: secret
        calls.append(("GET", "/-/history/%d" % n, None))
        size += len(secret)
    for n, body in enumerate(maps):
        origin.live.answers["/-/object/%d" % n] = lambda body=body: body
        patch = bodies.compact({"data": {"setting-000": "new-%d" % n}, "metadata": {"labels": {"v": str(n)}}})
        calls += [("GET", "/-/object/%d" % n, None), ("PATCH", "/-/object/%d" % n, patch)]
        size += 2 * len(body) + len(patch)
    polls = iter(rollout)
    origin.live.answers["/-/rollout"] = lambda: next(polls)
    calls += [("GET", "/-/rollout", None)] * len(rollout)
    return calls, size + sum(map(len, rollout))


def dashboard(origin, quick):
    """Large lists once, then watch events."""
    rng = random.Random(13)
    pods = bodies.pods(1200)
    lists = {"/-/pods": bodies.compact(bodies.pod_list(pods, 300000)),
             "/-/maps": b'{"kind":"ConfigMapList","apiVersion":"v1","items":['
                        + b",".join(bodies.config_map("map-%d" % n, 20000, n) for n in range(100)) + b"]}"}
    calls, size = [], 0
    for path, body in lists.items():
        origin.live.answers[path] = lambda body=body: body
        calls.append(("GET", path, None))
        size += len(body)
    events = []
    for n in range(400 if quick else 1200):
        pod = pods[rng.randrange(len(pods))]
        pod["metadata"]["resourceVersion"] = str(300001 + n)
        pod["status"]["conditions"][1]["lastTransitionTime"] = bodies.stamp(n)
        events.append(bodies.compact({"type": "MODIFIED", "object": pod}) + b"\n")
    # A watch as the recorder sees it: piece after piece of one body. Several, so that it is not one copy.
    for n in range(0, len(events), 20):
        piece = b"".join(events[n:n + 20])
        path = "/-/watch/%d" % n
        origin.live.answers[path] = lambda piece=piece: piece
        calls.append(("GET", path, None))
        size += len(piece)
    return calls, size


def play(target, calls):
    connection, prefix = target.connection()
    for method, path, body in calls:
        headers = dict(target.headers)
        if body:
            headers["content-type"] = "application/merge-patch+json"
        connection.request(method, prefix + path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError("%s %s: %d" % (method, path, answer.status))
    connection.close()


def run(bench):
    found = {}
    for name, make in (("polling agent", polling_agent), ("helm upgrade", helm_upgrade), ("dashboard", dashboard)):
        calls, size = make(bench.origin, bench.quick)
        with cells.started(bench, (peers.Gateway,)) as targets:
            for target in targets:
                with measure.Cpu(target) as cpu:
                    play(target, calls)
                target.stop()
                recorded = measure.Recorded(target.directory)
                if recorded.completes != len(calls) or recorded.gaps:
                    bench.problems.append("%s: %d of %d exchanges" % (name, recorded.completes, len(calls)))
                gzip = gzip_bytes(target.directory)
                shutil.rmtree(target.directory)
                found[name] = {
                    "exchanges": len(calls), "body_mb": size / peers.MB, "stored_bytes": recorded.stored_bytes,
                    "stored_share": recorded.stored_bytes / size, "stored_per_exchange": recorded.stored_bytes / len(calls),
                    "against_gzip": recorded.stored_bytes / gzip, "recorder_ms_per_mb": cpu.other * 1e3 / (size / peers.MB),
                    "all_ms_per_mb": cpu.all * 1e3 / (size / peers.MB)}
        bench.note("workload: " + name)
    return found


def gzip_bytes(directory):
    """The same lines under gzip -6."""
    done = subprocess.run("zstd -dcq *.zst | gzip -6 | wc -c", shell=True, cwd=directory, capture_output=True, check=True)
    return int(done.stdout)
