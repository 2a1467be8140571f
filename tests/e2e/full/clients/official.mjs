// The official JavaScript client: what it prints must be the same with and without the gateway.
// node official.mjs NAMESPACE POD; POD is one whose commands run (empty: no such calls).
import * as k8s from '@kubernetes/client-node';
import { PassThrough, Writable } from 'node:stream';

const [namespace, pod] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);

const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'js' }, data: { key: 'value' } } });
console.log('created', made.data);
const changed = await core.patchNamespacedConfigMap(
  { namespace, name: 'js', body: [{ op: 'replace', path: '/data/key', value: 'other' }] },
  k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch),
);
console.log('patched', changed.data);
try {
  await core.readNamespacedConfigMap({ namespace, name: 'missing' });
} catch (error) {
  console.log('missing', error.code, JSON.parse(error.body).message);
}

const seen = await new Promise((resolve, reject) => {
  const watch = new k8s.Watch(config);
  let request;
  watch
    .watch(`/api/v1/namespaces/${namespace}/configmaps`, { fieldSelector: 'metadata.name=js' },
      (type, object) => { resolve(`${type} ${object.metadata.name}`); request?.abort(); },
      (error) => reject(error))
    .then((started) => { request = started; }, reject);
});
console.log('event', seen);
await core.deleteNamespacedConfigMap({ namespace, name: 'js' });

function collect() {
  let text = '';
  return { sink: new Writable({ write(chunk, _, done) { text += chunk; done(); } }), text: () => text };
}

if (pod) {
  const out = collect();
  const status = await new Promise((resolve, reject) => {
    const input = new PassThrough();
    new k8s.Exec(config)
      .exec(namespace, pod, pod, ['sh', '-c', 'echo from a pod; exit 3'], out.sink, process.stderr, null, false, resolve)
      .catch(reject);
    input.end();
  });
  console.log('exec', out.text().trim(), status.status, status.reason);
}
process.exit(0);
