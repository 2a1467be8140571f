"""writes.py - requests that change something, each in a namespace of the side's own; watches; what is large."""

import base64
import json

import reads
from ask import Request, VERSIONS

JSON = "application/json"
MAPS, SECRETS = "/api/v1/namespaces/NAMESPACE/configmaps", "/api/v1/namespaces/NAMESPACE/secrets"
THINGS = "/apis/example.com/v1/namespaces/NAMESPACE/things"
PODS = "/api/v1/namespaces/NAMESPACE/pods"
STALE = base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"a\\u0000"}').decode().rstrip("=")


def a_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def steps_of(version):
    """In this order. Managers' names are, too: those of one second stand in managedFields by name, else by time."""
    at, asked = version.replace(".", "-"), []

    def step(method, path, body=None, kind=JSON, accept=JSON, headers=()):
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        types = (f"Content-Type: {kind}",) if sent is not None else ()
        asked.append(Request(path.replace("$", at), method, types + (f"Accept: {accept}",) + headers, sent, version))

    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": f"t-{at}"}, "spec": {"size": 1}}
    for accept in reads.PLAIN + reads.partial("PartialObjectMetadata") + reads.partial("Table"):
        step("POST", f"{MAPS}?dryRun=All&fieldManager=me", a_map(f"dry-{at}", a="b"), accept=accept)
    step("POST", MAPS, a_map(f"a-{at}", a="b\u2028ü"))
    step("POST", MAPS, a_map(f"a-{at}", a="b"))  # 409
    step("POST", f"{MAPS}?fieldManager=me&fieldValidation=Strict", {**a_map(f"x-{at}"), "nothing": 1})  # 400
    step("POST", f"{MAPS}?fieldValidation=Warn", {**a_map(f"w-{at}"), "nothing": 1})  # a Warning
    step("POST", MAPS, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml-%s}\ndata: {a: b}\n" % at.encode(), "application/yaml")
    step("POST", MAPS, a_map("No Name"))  # 422
    step("POST", MAPS, {**a_map("x"), "metadata": {"generateName": "gen-", "labels": {"by": "-bad-"}}})  # 422
    step("POST", MAPS, b"{")  # 400
    step("POST", MAPS, b"")
    step("POST", MAPS, b"\xff\xfe", "application/vnd.kubernetes.protobuf")
    step("POST", MAPS, b"k8s\0" + bytes(range(256)), "application/vnd.kubernetes.protobuf")
    step("POST", MAPS, b"\xd9\xd9\xf7\xa1", "application/cbor")
    step("POST", MAPS, b"x", "text/nonsense")  # 415
    step("POST", "/api/v1/namespaces/none-such/configmaps", a_map("x"))  # 404
    step("PUT", f"{MAPS}/a-$", {**a_map(f"a-{at}", a="c"), "metadata": {"name": f"a-{at}", "resourceVersion": "1"}})  # 409
    step("PUT", f"{MAPS}/a-$", a_map(f"a-{at}", a="c"), accept=reads.PROTOBUF)
    step("PUT", f"{MAPS}/other-$", a_map(f"a-{at}", a="c"))  # 400
    step("PATCH", f"{MAPS}/a-$", {"data": {"b": "c"}}, "application/merge-patch+json")
    step("PATCH", f"{MAPS}/a-$?fieldManager=me", {"data": {"c": "d"}}, "application/strategic-merge-patch+json", reads.CBOR)
    step("PATCH", f"{MAPS}/a-$?fieldManager=z", [{"op": "add", "path": "/data/e", "value": "f"}], "application/json-patch+json", reads.YAML)
    step("PATCH", f"{MAPS}/a-$", [{"op": "test", "path": "/data/e", "value": "x"}], "application/json-patch+json")  # 422
    step("PATCH", f"{MAPS}/a-$", {}, "application/json")  # 415
    step("PATCH", f"{MAPS}/a-$?fieldManager=me", {**a_map(f"a-{at}", a="mine")}, "application/apply-patch+yaml")  # 409
    step("PATCH", f"{MAPS}/a-$?fieldManager=me&force=true", {**a_map(f"a-{at}", a="mine")}, "application/apply-patch+yaml")
    step("PATCH", f"{MAPS}/s-$?fieldManager=me", b"apiVersion: v1\nkind: ConfigMap\ndata: {x: y}\n", "application/apply-patch+yaml")
    step("PATCH", f"{MAPS}/s-$", b"apiVersion: v1\nkind: ConfigMap\n", "application/apply-patch+yaml")  # 400: nobody's
    step("PATCH", f"{MAPS}/a-$", {"data": {"b": "c"}}, "application/merge-patch+json", "text/html")  # 406
    step("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s-{at}"}, "stringData": {"a": "b"}})
    step("PATCH", f"{SECRETS}/s-$", {"stringData": {"b": "c"}}, "application/merge-patch+json", reads.PROTOBUF)
    step("PATCH", f"{SECRETS}/s-$?fieldManager=me", b"apiVersion: v1\nkind: Secret\nstringData: {z: z}\n", "application/apply-patch+yaml")
    for accept in reads.PLAIN + reads.partial("Table"):
        step("GET", f"{SECRETS}/s-$", accept=accept)
    step("POST", THINGS, thing, accept=reads.CBOR)
    step("PATCH", f"{THINGS}/t-$", {"spec": {"size": 5}}, "application/merge-patch+json")
    step("PATCH", f"{THINGS}/t-$", {"spec": {"size": -5}}, "application/merge-patch+json")  # 422
    step("PATCH", f"{THINGS}/t-$", {}, "application/strategic-merge-patch+json")  # 415
    step("PATCH", f"{THINGS}/t-$/status", {"status": {"replicas": 2}}, "application/merge-patch+json")
    step("GET", f"{THINGS}/t-$/scale")
    step("GET", f"{THINGS}/t-$".replace("/v1/", "/v1beta1/"))
    step("DELETE", f"{THINGS}/t-$")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{at}", "labels": {"app": at}},
           "spec": {"nodeName": "none", "automountServiceAccountToken": False, "containers": [{"name": "x", "image": "x"}]}}
    step("POST", PODS, pod)
    step("PATCH", f"{PODS}/p-$/status", {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
         "application/strategic-merge-patch+json", headers=("User-Agent: x",))
    step("POST", f"/apis/policy/v1{PODS[7:-4]}poddisruptionbudgets", {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
         "metadata": {"name": f"b-{at}"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": at}}}})
    step("POST", f"{PODS}/p-$/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": f"p-{at}"}})  # 429
    step("POST", f"{PODS}/p-$/binding", {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "x"}})
    step("GET", f"{PODS}/p-$/log")
    step("DELETE", f"{PODS}/p-$?gracePeriodSeconds=0&propagationPolicy=Background")
    step("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"apiVersion": "authorization.k8s.io/v1",
         "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}})
    step("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    for query in ("limit=2", f"limit=2&continue={STALE}", "limit=500"):
        for accept in reads.PLAIN:
            step("GET", f"{MAPS}?{query}&labelSelector=by!=other", accept=accept)
    step("DELETE", f"{MAPS}/a-$?dryRun=All", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "no"}})  # 409
    step("DELETE", f"{MAPS}/a-$", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})
    step("DELETE", f"{MAPS}/a-$?x=y", accept=reads.PROTOBUF)
    step("DELETE", f"{MAPS}/a-$")
    step("DELETE", f"{MAPS}?fieldSelector=metadata.name%3Dyaml-$", accept=reads.CBOR)
    step("DELETE", f"{SECRETS}?fieldSelector=metadata.name%3Ds-$", b'{"kind":"DeleteOptions","apiVersion":"v1"}')
    return asked


def steps():
    return [request for version in VERSIONS for request in steps_of(version)]


def watches(direct):
    """Watches that end by themselves, from the beginning of what there is."""
    asked = []
    first = direct.get("/api/v1/namespaces/read/configmaps/plain")["metadata"]["resourceVersion"]
    for path in ("/api/v1/namespaces/read/configmaps", "/apis/example.com/v1/namespaces/read/things", "/api/v1/namespaces/read/secrets"):
        for query in ("resourceVersion=0", "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=0",
                      f"resourceVersion={int(first) - 1}", "resourceVersion=x", "sendInitialEvents=true", "resourceVersion=999999999999"):
            accepts = reads.LISTS + ("application/json;stream=watch", f"{reads.PROTOBUF};stream=watch", "application/cbor-seq", reads.USUAL[0])
            asked += reads.spread(f"{path}?watch=1&timeoutSeconds=1&{query}", accepts if query == "resourceVersion=0" else accepts[:3], ("gzip",))
    asked += reads.spread("/api/v1/watch/namespaces/read/configmaps/plain?timeoutSeconds=1", ("application/json",))
    return asked


def large():
    """As large as an object may be, larger, and lists of many of them."""
    asked = []
    for version in VERSIONS:
        at = version.replace(".", "-")
        for size in (500_000, 1_040_000, 1_500_000, 3_140_000, 3_150_000, 4_000_000):
            # What compresses well, and what not at all.
            text = "".join(chr(33 + (i * i // 7 + i) % 90) for i in range(1000)) * (size // 1000)
            body = json.dumps(a_map(f"large-{at}-{size}", a=text)).encode()
            for expect in ((), ("Expect: 100-continue",)):
                asked.append(Request(f"{MAPS}?dryRun=All", "POST", ("Content-Type: application/json",) + expect, body, version))
            asked.append(Request(MAPS, "POST", ("Content-Type: application/json",), body, version))
            asked.append(Request(f"{MAPS}/large-{at}-{size}", version=version, headers=("Accept-Encoding: gzip",)))
        asked.append(Request("/apis/agg.example.com/v1/answers/bytes-60000000", version=version))
        asked.append(Request("/apis/agg.example.com/v1/answers/seen/sent", "PUT", ("Content-Type: x/y",), bytes(range(256)) * 80000, version))
    asked += reads.spread("/api/v1/namespaces/many/configmaps", (JSON, reads.PROTOBUF, reads.CBOR))
    return asked
