"""The official Python client: what it prints must be the same with and without the gateway.

official.py NAMESPACE POD: POD is one whose commands run (empty: no such calls).
"""
import sys

from kubernetes import client, config, stream, watch
from kubernetes.client.rest import ApiException

namespace, pod = sys.argv[1], sys.argv[2]
config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()

body = {"metadata": {"name": "python", "labels": {"by": "python"}}, "data": {"key": "value"}}
print("created", core.create_namespaced_config_map(namespace, body).data)
print("patched", core.patch_namespaced_config_map("python", namespace, {"data": {"key": "other"}}).data)
print("listed", [item.metadata.name for item in core.list_namespaced_config_map(namespace, label_selector="by=python").items])
page = core.list_namespace(limit=2)
print("pages", len(page.items), bool(page.metadata._continue))

try:
    core.read_namespaced_config_map("missing", namespace)
except ApiException as error:
    print("missing", error.status, error.reason, error.body.strip())
try:
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "Not A Name"}})
except ApiException as error:
    print("invalid", error.status, error.body.strip())

version = core.list_namespaced_config_map(namespace).metadata.resource_version
core.delete_namespaced_config_map("python", namespace)
core.create_namespaced_config_map(namespace, {"metadata": {"name": "watched"}})
for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=20):
    print("event", event["type"], event["object"].metadata.name)
    if event["object"].metadata.name == "watched":
        break

deployment = {
    "metadata": {"name": "python"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
    },
}
apps.create_namespaced_deployment(namespace, deployment)
scale = apps.patch_namespaced_deployment_scale("python", namespace, {"spec": {"replicas": 3}})
print("scale", scale.spec.replicas)
print("dry run", apps.delete_namespaced_deployment("python", namespace, dry_run="All") is not None)

if pod:
    print("exec", stream.stream(core.connect_get_namespaced_pod_exec, pod, namespace, command=["echo", "from a pod"],
                                stderr=True, stdin=False, stdout=True, tty=False).strip())
    call = stream.stream(core.connect_get_namespaced_pod_exec, pod, namespace, command=["sh", "-c", "cat; exit 4"],
                         stderr=True, stdin=True, stdout=True, tty=False, _preload_content=False)
    call.write_stdin("typed\n")
    call.update(timeout=20)
    while not call.peek_stdout():
        call.update(timeout=20)
    print("typed", call.read_stdout().strip())
    call.close()
print("version", client.VersionApi().get_code().git_version)
