// SPDX-License-Identifier: Apache-2.0
// conduitctl while its API server is gone for a moment: node faults_test.mjs CTL NAMESPACE ROOT WORK
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Checks, until } from '../stack/stack.mjs';

const [ctl, space, root, work] = process.argv.slice(2);
const t = new Checks();
const busybox = 'conduit.test/busybox:1';

const kubectl = (...words) => execFileSync('kubectl', ['-n', space, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const get = (...words) => JSON.parse(kubectl('get', ...words, '-o', 'json'));
const apply = (object) => execFileSync('kubectl', ['-n', space, 'apply', '-f', '-'], { input: JSON.stringify(object), stdio: ['pipe', 'ignore', 'inherit'] });
const node = (verb) => execFileSync(`${root}/tests/cluster/kube`, [verb, 'apiserver'], { stdio: 'ignore' });

function ended(error, out, err) {
  return { code: error ? error.code : 0, out, err };
}

// {pid, end}: end gives {code, out, err}.
function begin(words, env = {}) {
  let child;
  const end = new Promise((resolve) => {
    child = execFile(ctl, words, { encoding: 'utf8', env: { ...process.env, ...env } }, (...all) => resolve(ended(...all)));
  });
  return { pid: child.pid, end };
}

const run = (words, env) => begin(words, env).end;

// The API server is killed, stays away for a moment, and comes back.
async function lose_the_server() {
  node('stop');
  assert.throws(() => kubectl('get', '--raw', '/readyz'), 'it is gone indeed');
  node('start');
  await until(() => {
    try {
      return kubectl('get', '--raw', '/readyz') === 'ok';
    } catch {
      return false;
    }
  }, 90000, 'the API server again');
}
// Pods that need some seconds to be ready, so that there is a middle.
function slow(name, replicas, script = 'sleep 3600') {
  apply({
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
    spec: {
      replicas, selector: { matchLabels: { app: name } }, minReadySeconds: 4,
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: busybox, imagePullPolicy: 'Never', args: ['-c', script] }] },
      },
    },
  });
}
const settled = (name) => kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s');

// Everything that waits or follows, in the middle of it when the server goes away.
const sockets = (pid) => fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
  try {
    return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
  } catch {
    return false; // closed meanwhile
  }
}).length;
let scaling, deploying, watching, following;
const told = new Map(); // the last number of each pod
const faults = [];

await t.check('a scale, a deploy, a watched rollout and followed logs are under way when the API server is killed', async () => {
  slow('scaled', 1);
  slow('deployed', 2);
  slow('watched', 2);
  slow('talker', 3, 'i=0; while true; do echo "number $i"; i=$((i+1)); sleep 0.2; done');
  ['scaled', 'deployed', 'watched', 'talker'].forEach(settled);

  following = spawn(ctl, ['logs', 'talker', '--all', '-f'], { stdio: ['ignore', 'pipe', 'inherit'] });
  following.over = new Promise((resolve) => { following.on('exit', resolve); });
  let rest = '';
  following.stdout.on('data', (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const [pod, , number] = line.split(' ');
      if (Number(number) !== (told.get(pod) ?? -1) + 1) faults.push(`${line} after ${told.get(pod)}`);
      told.set(pod, Number(number));
    }
  });
  await until(() => told.size === 3, 60000, 'lines of three pods');

  kubectl('set', 'image', 'deployment/watched', 'main=conduit.test/pause:1');
  const limit = ['--timeout', '150s', '-o', 'json'];
  watching = begin(['rollout', 'status', '--workload', 'watched', '--wait', ...limit]);
  await until(() => sockets(watching.pid) > 2, 30000, 'its watches');
  scaling = begin(['scale', 'to', '4', '--workload', 'scaled', '--yes', ...limit]);
  deploying = begin(['deploy', '--workload', 'deployed', '--image', 'conduit.test/pause:1', '--yes', ...limit]);
  await until(() => get('deployment', 'scaled').spec.replicas === 4 && get('deployment', 'deployed').metadata.generation > 1, 60000, 'the changes themselves');
  assert.ok((get('deployment', 'scaled').status.availableReplicas ?? 0) < 4, 'it is in the middle');
  await lose_the_server();
});

await t.check('the scale waited on, and its 0 is true', async () => {
  const done = await scaling.end;
  assert.equal(done.code, 0, done.err);
  assert.equal(JSON.parse(done.out).verified, true);
  assert.equal(get('deployment', 'scaled').status.availableReplicas, 4);
});

await t.check('the deploy went on, and its 0 is true', async () => {
  const done = await deploying.end;
  assert.equal(done.code, 0, done.err);
  assert.equal(JSON.parse(done.out).verified, true);
  const { status } = get('deployment', 'deployed');
  assert.deepEqual([status.updatedReplicas, status.availableReplicas], [2, 2]);
});

await t.check('the watched rollout was followed to its end', async () => {
  const done = await watching.end;
  assert.equal(done.code, 0, done.err);
  assert.equal(JSON.parse(done.out).state, 'complete');
  assert.equal(get('deployment', 'watched').status.updatedReplicas, 2);
});

await t.check('the followed logs lost no line and told none twice', async () => {
  const then = Math.max(...told.values());
  await until(() => [...told.values()].every((n) => n > then + 10), 90000, 'lines from after the restart');
  following.kill('SIGINT');
  assert.equal(await following.over, 130);
  assert.deepEqual(faults, []);
});

await t.check('while the API server is away a command ends with 6, says where it looked, and changes nothing', async () => {
  node('stop');
  try {
    const done = await run(['scale', 'to', '2', '--workload', 'scaled', '--yes', '-o', 'json']);
    assert.equal(done.code, 6, done.err);
    assert.match(JSON.parse(done.err).error.message, /cannot reach the API server https:/);
  } finally {
    node('start');
  }
  await until(() => { try { return get('deployment', 'scaled').spec.replicas === 4; } catch { return false; } }, 90000, 'the API server again, and four replicas');
});

await t.check('a certificate that has expired is 5, and named with its time', async () => {
  const made = await run(['context', 'add', 'late', '--orchestrator', 'kubernetes', '--kube-namespace', space]);
  assert.equal(made.code, 0, made.err);
  const set = await run(['context', 'set', 'kubernetes.kubeconfig', path.join(work, 'late.kubeconfig'), '-C', 'late']);
  assert.equal(set.code, 0, set.err);
  const done = await run(['ps', '-C', 'late', '-o', 'json']);
  assert.equal(done.code, 5, done.err);
  assert.match(JSON.parse(done.err).error.message, /^the client certificate of user late in the kubeconfig expired at 20\d\d-/);
});

await t.check('it works where no kubectl is installed, and no other program', async () => {
  const nowhere = { PATH: '/nonexistent' };
  const seen = await run(['ps', '-o', 'json'], nowhere);
  assert.equal(seen.code, 0, seen.err);
  const done = await run(['scale', 'to', '3', '--workload', 'scaled', '--yes', '-o', 'json'], nowhere);
  assert.equal(done.code, 0, done.err);
  assert.equal(get('deployment', 'scaled').status.availableReplicas, 3);
  const undone = await run(['undo', JSON.parse(done.out).operation, '--yes'], nowhere);
  assert.equal(undone.code, 0, undone.err);
  assert.equal(get('deployment', 'scaled').spec.replicas, 4);
});

// Up to 1.23 an account has a token of its own, made a moment later.
const old_tokens = Number(JSON.parse(kubectl('get', '--raw', '/version')).minor.replace(/\D/g, '')) < 24;

// A pod of conduitctl's own image with an account that may do this much; its exit code and its last words.
async function in_a_pod(name, words) {
  apply({
    apiVersion: 'v1', kind: 'Pod', metadata: { name },
    spec: {
      restartPolicy: 'Never', serviceAccountName: 'operator', automountServiceAccountToken: true,
      securityContext: { runAsNonRoot: true, runAsUser: 65532 },
      containers: [{
        name: 'ctl', image: 'conduit.test/conduitctl:dev', imagePullPolicy: 'Never', args: words,
        env: [{ name: 'HOME', value: '/state' }, { name: 'ASAN_OPTIONS', value: 'detect_leaks=0' }],
        securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        volumeMounts: [{ name: 'state', mountPath: '/state' }, { name: 'config', mountPath: '/state/.config/conduitctl' }],
      }],
      volumes: [{ name: 'state', emptyDir: {} }, { name: 'config', configMap: { name: 'contexts' } }],
    },
  });
  let end;
  await until(() => {
    end = get('pod', name).status.containerStatuses?.[0]?.state?.terminated;
    return end !== undefined;
  }, 120000, `the end of ${name}`);
  return { code: end.exitCode, out: kubectl('logs', name) };
}

await t.check('inside a pod it works with its account alone, and says what that may not', async () => {
  const rule = (groups, resources, verbs) => ({ apiGroups: groups, resources, verbs });
  apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'operator' } });
  apply({
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'operator' },
    rules: [
      rule(['apps'], ['deployments', 'statefulsets', 'daemonsets', 'replicasets'], ['get', 'list', 'watch']),
      rule(['apps'], ['deployments'], ['patch']),
      rule([''], ['pods', 'events'], ['get', 'list', 'watch']),
      rule(['autoscaling'], ['horizontalpodautoscalers'], ['get', 'list']),
      rule(['coordination.k8s.io'], ['leases'], ['get', 'list', 'create', 'update', 'delete']),
    ],
  });
  apply({
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'operator' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'operator' },
    subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace: space }],
  });
  apply({
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'contexts' },
    data: { 'config.yaml': 'current-context: here\ncontexts:\n  here:\n    orchestrator: kubernetes\n' },
  });
  await until(() => (get('serviceaccount', 'operator').secrets ?? []).length > 0 || !old_tokens, 30000, "the account's token");
  const seen = await in_a_pod('reader', ['ps', '-o', 'json']);
  assert.equal(seen.code, 0, seen.out);
  assert.ok(JSON.parse(seen.out).items.filter((i) => i.workload === 'scaled').length === 4, seen.out);
  const scaled = await in_a_pod('scaler', ['scale', 'to', '2', '--workload', 'scaled', '--yes', '-C', 'here', '-o', 'json']);
  assert.equal(scaled.code, 0, scaled.out);
  assert.equal(get('deployment', 'scaled').status.availableReplicas, 2);
  const refused = await in_a_pod('deployer', ['secret', 'ls']);
  assert.equal(refused.code, 5, refused.out);
  assert.match(refused.out, /cannot list resource "secrets"/);
});

await t.check('another engineer sees what was done, and takes it back', async () => {
  const done = await run(['scale', 'to', '1', '--workload', 'scaled', '--yes', '-o', 'json']);
  assert.equal(done.code, 0, done.err);
  const { operation } = JSON.parse(done.out);
  const bob = { XDG_STATE_HOME: path.join(work, 'bob'), CONDUIT_OPERATOR: 'bob' };
  const seen = await run(['history', 'show', operation, '-o', 'json'], bob);
  assert.equal(seen.code, 0, seen.err);
  const undone = await run(['undo', operation, '--yes', '-o', 'json'], bob);
  assert.equal(undone.code, 0, undone.err);
  assert.equal(get('deployment', 'scaled').status.availableReplicas, 2);
});

await t.check('what is made for a while is taken back by the Deployment, whoever is away by then', async () => {
  const refused = await run(['scale', 'to', '1', '--workload', 'scaled', '--for', '10s', '--yes', '-o', 'json']);
  assert.equal(refused.code, 3, refused.err); // nobody serves reversals yet
  const objects = execFileSync(`${root}/tests/integration/fleet/render`, [`${root}/packaging/kustomize/components/reversals`, '--namespace', space,
    '--image', 'conduit.test/conduitctl:dev', '--env', 'ASAN_OPTIONS=detect_leaks=0', '--prefix-cluster', space]);
  execFileSync('kubectl', ['apply', '-f', '-'], { input: objects, stdio: ['pipe', 'ignore', 'inherit'] });
  try {
    settled('conduit-reversals');
    let done;
    await until(async () => { // its first heartbeat
      done = await run(['scale', 'to', '1', '--workload', 'scaled', '--for', '10s', '--yes', '-o', 'json']);
      return done.code !== 3;
    }, 30000, 'somebody who serves reversals');
    assert.equal(done.code, 0, done.err);
    assert.equal(get('deployment', 'scaled').spec.replicas, 1);
    await until(() => get('deployment', 'scaled').spec.replicas === 2, 60000, 'the end of the change');
    const { operation } = JSON.parse(done.out);
    await until(async () => !(await run(['history', 'pending', '-o', 'json'])).out.includes(operation), 60000, 'that nothing is pending');
    const history = JSON.parse((await run(['history', 'ls', '-o', 'json'])).out).items;
    assert.match(history[0].operator, /^reversal of /);
  } finally {
    kubectl('delete', 'clusterrolebinding,clusterrole', `${space}-conduit-cluster-identity`);
  }
});

t.end();
