"""bodies.py - JSON as an API server gives it, from a fixed seed."""

import base64
import json
import random


def uid(rng):
    h = "%032x" % rng.getrandbits(128)
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def stamp(second):
    return "2026-01-%02dT%02d:%02d:%02dZ" % (
        1 + second // 86400 % 28, second // 3600 % 24, second // 60 % 60, second % 60)


def compact(tree):
    return json.dumps(tree, separators=(",", ":")).encode()


def managed_fields(rng, second):
    fields = {"f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}}},
              "f:spec": {"f:containers": {'k:{"name":"app"}': {
                  ".": {}, "f:image": {}, "f:resources": {".": {}, "f:limits": {}, "f:requests": {}},
                  "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}}}}
    return [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
             "time": stamp(second), "fieldsType": "FieldsV1", "fieldsV1": fields}]


def pod(rng, number, version):
    app = "app-%02d" % (number % 17)
    second = rng.randrange(2000000)
    return {
        "metadata": {
            "name": "%s-%08x-%05x" % (app, number * 2654435761 % 2**32, number * 40503 % 2**20),
            "namespace": "default", "uid": uid(rng), "resourceVersion": str(version),
            "creationTimestamp": stamp(second), "labels": {"app": app, "pod-template-hash": "%08x" % (number % 17)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": app,
                                 "uid": uid(rng), "controller": True, "blockOwnerDeletion": True}],
            "managedFields": managed_fields(rng, second)},
        "spec": {
            "volumes": [{"name": "kube-api-access-%05x" % rng.getrandbits(20), "projected": {
                "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}],
                "defaultMode": 420}}],
            "containers": [{
                "name": "app", "image": "registry.example/%s:v1.%d" % (app, number % 9),
                "args": ["--listen=:8080", "--log=json"],
                "resources": {"limits": {"cpu": "500m", "memory": "256Mi"},
                              "requests": {"cpu": "50m", "memory": "64Mi"}},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "nodeName": "node-%d" % (number % 5),
            "securityContext": {}, "schedulerName": "default-scheduler"},
        "status": {
            "phase": "Running", "hostIP": "10.0.0.%d" % (number % 250), "podIP": "10.244.%d.%d" % (number // 250, number % 250),
            "conditions": [{"type": t, "status": "True", "lastProbeTime": None,
                            "lastTransitionTime": stamp(second + 3)}
                           for t in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
            "startTime": stamp(second), "qosClass": "Burstable",
            "containerStatuses": [{
                "name": "app", "ready": True, "restartCount": number % 3, "started": True,
                "image": "registry.example/%s:v1.%d" % (app, number % 9),
                "imageID": "registry.example/%s@sha256:%064x" % (app, rng.getrandbits(256)),
                "containerID": "containerd://%064x" % rng.getrandbits(256),
                "state": {"running": {"startedAt": stamp(second + 2)}}}]}}


def pod_list(pods, version):
    return {"kind": "PodList", "apiVersion": "v1",
            "metadata": {"resourceVersion": str(version)}, "items": pods}


def pods(count, seed=1):
    rng = random.Random(seed)
    return [pod(rng, i, 100000 + i) for i in range(count)]


def config_map(name, size, seed=1):
    """A ConfigMap of about `size` bytes."""
    rng = random.Random(seed)
    tree = {"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": uid(rng), "resourceVersion": "4711",
                         "creationTimestamp": stamp(4711), "labels": {"app": "bench"}},
            "data": {}}
    number = 0
    while len(compact(tree)) < size - 60:
        tree["data"]["setting-%03d" % number] = "value-%d-%x" % (number, rng.getrandbits(64))
        number += 1
    return compact(tree)


def of_size(size):
    """A PodList of about `size` bytes."""
    one = len(compact(pod(random.Random(1), 1, 1)))
    return compact(pod_list(pods(max(1, size // (one + 1))), 123456))


def release_secret(number, seed):
    """What helm keeps of a release: base64 of a gzip, that nothing can compress."""
    rng = random.Random(seed)
    return compact({"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1",
                    "metadata": {"name": "sh.helm.release.v1.shop.v%d" % number, "namespace": "default",
                                 "uid": uid(rng), "labels": {"owner": "helm", "name": "shop"}},
                    "data": {"release": base64.b64encode(rng.randbytes(12000)).decode()}})


def openapi(size, seed=7):
    """A document with many definitions, such as kubectl reads to validate."""
    rng = random.Random(seed)
    definitions, length, number = {}, 0, 0
    while length < size:
        name = "io.k8s.api.group%d.v1.Kind%d" % (number % 23, number)
        definitions[name] = {"description": "Kind%d is %s." % (number, " ".join(
            rng.choice(("a", "list", "of", "the", "object", "desired", "state", "selector", "field", "which"))
            for _ in range(30))), "type": "object", "properties": {
                "field%d" % i: {"description": "Field%d of %x" % (i, rng.getrandbits(32)), "type": "string"}
                for i in range(8)}}
        length += len(compact(definitions[name]))
        number += 1
    return compact({"swagger": "2.0", "info": {"title": "Kubernetes"}, "definitions": definitions})
