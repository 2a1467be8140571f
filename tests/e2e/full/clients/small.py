"""kr8s: what it prints must be the same with and without the gateway. small.py NAMESPACE"""
import sys

import kr8s
from kr8s.objects import ConfigMap

namespace = sys.argv[1]
api = kr8s.api(namespace=namespace)
item = ConfigMap({"metadata": {"name": "kr8s", "namespace": namespace}, "data": {"a": "1"}}, api=api)
item.create()
item.patch({"data": {"a": "2"}})
item.refresh()
print("data", dict(item.data))
print("listed", sorted(found.name for found in api.get("configmaps", namespace=namespace) if found.name == "kr8s"))
for event, found in api.watch("configmaps", namespace=namespace):
    if found.name == "kr8s":
        print("event", event, found.name)
        break
item.delete()
try:
    ConfigMap.get("missing", namespace=namespace, api=api)
except kr8s.NotFoundError:
    print("missing")
print("version", api.version()["gitVersion"])
