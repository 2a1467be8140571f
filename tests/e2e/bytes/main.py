"""main.py FOLDER PART... - in a session: compares all requests of these parts, direct and through the gateway. Prints how
many they were, and each difference; exits 1 when there is one. DIRECT is the kubeconfig of the server itself."""

import base64
import collections
import json
import os
import subprocess
import sys
import time

import ask
import reads
import writes


NEVER_THE_SAME = ("/metrics",)


def view(kubeconfig):
    out = subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"],
                         stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="latin1") as file:
        file.write(text)
    return path


def bearer(number):
    """The session's bearer for the user with that number, as kubectl is given it."""
    env = dict(os.environ, KHOOP_SESSION_DIR=os.path.dirname(os.environ["KUBECONFIG"]), KHOOP_USER=str(number),
               KUBERNETES_EXEC_INFO=json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {}}))
    out = subprocess.run([os.environ["HOOP"], "credential"], stdout=subprocess.PIPE, env=env, check=True).stdout
    return json.loads(out)["status"]["token"]


def make_sides(folder):
    direct, through = view(os.environ["DIRECT"]), view(os.environ["KUBECONFIG"])
    peer = os.environ["PEER_DIR"]
    with open(f"{peer}/viewer.token", encoding="ascii") as file:
        viewer = file.read().strip()
    own = {"admin": [f"cert = {peer}/admin.crt", f"key = {peer}/admin.key"], "viewer": [f'header = "Authorization: Bearer {viewer}"']}
    given = {name: [f'header = "Authorization: Bearer {bearer(number)}"'] for number, name in enumerate(("admin", "viewer"))}
    cluster = through["clusters"][0]["cluster"]
    ca = write(folder, "ca.crt", base64.b64decode(cluster["certificate-authority-data"]).decode())
    server = direct["clusters"][0]["cluster"]["server"]
    urls = {"one": (server, f"{peer}/ca.crt", own), "through": (cluster["server"], ca, given), "two": (server, f"{peer}/ca.crt", own)}
    return [ask.Side(name, *urls[name]) for name in ask.SIDES]


def get_directly(side, folder):
    def get(path):
        answer = ask.run_curl([(ask.Request(path), side)], folder, "get", 0)[0]
        assert answer.statuses == [200], f"{path}: {answer.statuses} {answer.body[:300]!r}"
        return answer.body
    return get


def lengthen_versions(side, folder, direct):
    """Has resource versions of four digits from here on: one more would be one byte more in protobuf's lengths."""
    now = int(direct.get("/api/v1/namespaces")["metadata"]["resourceVersion"])
    patches = [ask.Request("/api/v1/namespaces/bytes-two-1", "PATCH", ("Content-Type: application/merge-patch+json",),
                           json.dumps({"metadata": {"annotations": {"n": str(i)}}}).encode(), "http1.1") for i in range(1000 - now)]
    if patches:
        ask.run_curl([(patch, side) for patch in patches], folder, "patch", 0)


def main():
    folder, parts = sys.argv[1], sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    sides = make_sides(folder)
    direct = reads.Direct(get_directly(sides[0], folder))
    lengthen_versions(sides[0], folder, direct)
    tables = {"discovery": lambda: reads.discovery(direct), "everything": lambda: reads.everything(direct), "details": reads.details,
              "behind": reads.behind, "writes": writes.steps, "watches": lambda: writes.watches(direct), "large": writes.large}
    bad = 0
    for part in parts:
        began = time.monotonic()
        requests = tables[part]()
        rounds, parallel = (1 if part in ("writes", "large") else ask.ROUNDS), (90 if part == "watches" else 0)
        found, unsettled, unseen, answers = ask.compare(requests, sides, folder, rounds, parallel)
        if part == "discovery":
            requests = reads.unchanged([(request, got[0]) for request, got in zip(requests, answers)])
            more = ask.compare(requests, sides, folder)
            found, unsettled, unseen, answers = found + more[0], unsettled + more[1], unseen + more[2], answers + more[3]
        statuses = collections.Counter(got[0].statuses[-1] if got[0].statuses else "none" for got in answers)
        size = sum(len(got[1].body) for got in answers)
        print(f"{part}: {len(answers)} requests, {size} bytes, {len(found)} differences; {unsettled} answers are never twice the same, "
              f"{len(unseen)} not comparable; {time.monotonic() - began:.1f} s; {dict(sorted(statuses.items(), key=str))}", flush=True)
        for text in found[:40]:
            print(f"  {text}")
        for request in unseen:
            print(f"  not comparable: {request}")
        found += [request for request in unseen if not request.path.startswith(NEVER_THE_SAME)]
        bad += len(found)
    sys.exit(1 if bad else 0)


main()
