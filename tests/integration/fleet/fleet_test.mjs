// SPDX-License-Identifier: Apache-2.0
// One fleet of five replicas on a real cluster: node fleet_test.mjs CTL NAMESPACE ROOT
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Checks, until } from '../stack/stack.mjs';
import { Fleet, percentile } from './fleet.mjs';

const fleet = new Fleet(...process.argv.slice(2));
const t = new Checks();
let pods = [];

async function everywhere(revision, milliseconds, which = pods) {
  await until(async () => {
    const all = await Promise.all(which.map((pod) => fleet.control(pod).catch(() => ({}))));
    return all.every((control) => control.applied_revision >= revision);
  }, milliseconds, `revision ${revision} in every replica`);
}

const provider = async (pod, name) => (await fleet.call(pod, 'GET', `/admin/v1/providers/${name}`)).body;

await t.check('five replicas become ready and conduitctl sees each', async () => {
  await until(() => {
    pods = fleet.pods();
    return pods.length === 5 && pods.every((pod) => pod.ready);
  }, 120000, 'five ready pods');
  const ps = fleet.run(['ps', '-o', 'json']);
  assert.equal(ps.code, 0, ps.err);
  assert.deepEqual(JSON.parse(ps.out).items.map((i) => i.name).filter((name) => !name.startsWith('conduit-redis')).sort(), pods.map((pod) => pod.name).sort());
  const listed = fleet.run(['provider', 'ls', '-o', 'json']);
  assert.equal(listed.code, 0, listed.err);
  assert.equal(JSON.parse(listed.out).items.length, 3);
});

await t.check('a change through any replica is in all five within a second (p95 of 40)', async () => {
  const took = [];
  for (let i = 0; i < 40; i += 1) {
    const began = performance.now();
    const answer = await fleet.patch(pods[i % 5], { 'providers/aws/weight': 10 + (i % 7) + 1 });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    await everywhere(answer.body.revision, 10000);
    took.push(performance.now() - began);
  }
  const p95 = percentile(took, 0.95);
  assert.ok(p95 < 1000, `p95 is ${p95.toFixed(0)} ms`);
  return `p50 ${percentile(took, 0.5).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`;
});

await t.check('provider disable is true in every replica when it ends with 0, and undo takes it back', async () => {
  const done = fleet.run(['provider', 'disable', 'google', '--yes', '-o', 'json']);
  assert.equal(done.code, 0, done.err);
  assert.equal(JSON.parse(done.out).verified, true);
  for (const pod of pods) assert.equal((await provider(pod, 'google')).enabled, false, pod.name);
  const undone = fleet.run(['undo', JSON.parse(done.out).operation, '--yes', '-o', 'json']);
  assert.equal(undone.code, 0, undone.err);
  for (const pod of pods) assert.equal((await provider(pod, 'google')).enabled, true, pod.name);
});

await t.check('a replica that starts later is never ready without the overrides', async () => {
  const { body } = await fleet.patch(pods[0], { 'providers/aws/enabled': false });
  fleet.kubectl('scale', `deployment/${fleet.workload}`, '--replicas=6');
  let late;
  await until(() => (late = fleet.pods().find((pod) => pod.ip && !pods.some((old) => old.name === pod.name))), 60000, 'a sixth pod');
  let looks = 0;
  await until(async () => {
    const ready = await fleet.call(late, 'GET', '/health/ready').catch(() => undefined);
    if (ready?.status !== 200) return false;
    looks += 1;
    assert.ok((await fleet.control(late)).applied_revision >= body.revision);
    assert.equal((await provider(late, 'aws')).enabled, false);
    return looks >= 3;
  }, 60000, 'the sixth is ready');
  await fleet.patch(pods[0], { 'providers/aws/enabled': true });
  fleet.kubectl('scale', `deployment/${fleet.workload}`, '--replicas=5');
  await until(() => fleet.pods().length === 5, 90000, 'five pods again');
  pods = fleet.pods();
});

await t.check('a replica that hangs is named by exit 11, and agrees once it runs again', async () => {
  const hung = pods[2];
  const pid = fleet.pid(hung);
  process.kill(pid, 'SIGSTOP');
  let said;
  try {
    said = fleet.run(['provider', 'weight', 'aws=25', 'openai=55', '--yes', '--timeout', '12s', '-o', 'json']);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.equal(said.code, 11, `exit ${said.code}: ${said.out}${said.err}`);
  assert.ok((said.out + said.err).includes(hung.name), said.out + said.err);
  const { body } = await fleet.call(pods[0], 'GET', '/admin/v1/state');
  await everywhere(body.revision, 10000);
});

await t.check('a replica that is cut off is named by exit 11, and agrees once it is back', async () => {
  const lost = pods[1];
  fleet.cut(lost);
  let said;
  try {
    said = fleet.run(['provider', 'weight', 'aws=20', 'openai=60', '--yes', '--timeout', '12s', '-o', 'json']);
  } finally {
    fleet.cut(lost, false);
  }
  assert.equal(said.code, 11, `exit ${said.code}: ${said.out}${said.err}`);
  assert.ok((said.out + said.err).includes(lost.name), said.out + said.err);
  const { body } = await fleet.call(pods[0], 'GET', '/admin/v1/state');
  await everywhere(body.revision, 30000);
  pods = fleet.pods();
});

await t.check('what is to last is written to the ConfigMap, read by every replica, and undone in both', async () => {
  const config = () => JSON.parse(fleet.kubectl('get', 'configmap', 'conduit-config', '-o', 'json')).data['agent.yaml'];
  const before = config();
  const done = fleet.run(['provider', 'disable', 'google', '--persist', '--yes', '-o', 'json']);
  assert.equal(done.code, 0, done.err);
  const digest = createHash('sha256').update(config()).digest('hex');
  assert.notEqual(config(), before);
  assert.match(config(), /google: .*enabled: false/);
  for (const pod of pods) {
    const { body } = await fleet.call(pod, 'GET', '/admin/v1/replica');
    assert.equal(body.config.sha256, digest, pod.name);
    assert.equal((await provider(pod, 'google')).enabled, false, pod.name);
  }
  const undone = fleet.run(['undo', JSON.parse(done.out).operation, '--yes', '--timeout', '3m', '-o', 'json']);
  assert.equal(undone.code, 0, undone.err);
  assert.equal(config(), before);
  for (const pod of pods) assert.equal((await provider(pod, 'google')).enabled, true, pod.name);
});

await t.check('the replicas share the Redis of the cluster, and its death changes no answer of theirs', async () => {
  const shared = async () => (await Promise.all(pods.map((pod) => fleet.call(pod, 'GET', '/admin/v1/cache')))).map((a) => a.body.shared?.status);
  await until(async () => (await shared()).every((status) => status === 'up'), 60000, 'Redis is up in every replica');
  const cleared = fleet.run(['cache', 'clear', 'audio:tts:', '--yes', '--confirm', 'audio:tts:', '--reason', 'test', '-o', 'json']);
  assert.equal(cleared.code, 0, cleared.err);
  const pod = JSON.parse(fleet.kubectl('get', 'pods', '-l', 'app=conduit-redis', '-o', 'json')).items[0].metadata.name;
  fleet.kubectl('delete', 'pod', pod, '--grace-period=0', '--force');
  for (const one of pods) assert.equal((await fleet.call(one, 'GET', '/health/ready')).status, 200, one.name);
  const during = fleet.run(['provider', 'weight', 'aws=10', 'openai=70', '--yes', '-o', 'json']);
  assert.equal(during.code, 0, during.err);
  await until(async () => (await shared()).every((status) => status === 'up'), 60000, 'Redis is up again');
});

await t.check('a removed state loses no override', async () => {
  const before = await fleet.patch(pods[0], { 'providers/google/weight': 33 });
  await everywhere(before.body.revision, 5000);
  fleet.kubectl('delete', 'configmap', 'conduit-control');
  await until(async () => (await fleet.control(pods[1])).store_ok === false, 10000, 'the loss is told');
  assert.equal((await provider(pods[1], 'google')).weight, 33);
  // The replicas may not make ConfigMaps: who removed it puts it back, empty, and they fill it.
  const refused = await fleet.patch(pods[1], { 'providers/aws/weight': 12 });
  assert.ok(refused.status >= 400, JSON.stringify(refused));
  fleet.kubectl('create', 'configmap', 'conduit-control');
  await until(() => fleet.kubectl('get', 'configmap', 'conduit-control', '-o', 'yaml').includes('google/weight'), 10000, 'it is filled');
  await until(async () => (await fleet.control(pods[1])).store_ok, 10000, 'the store is well');
  const after = await fleet.patch(pods[1], { 'providers/aws/weight': 12 });
  assert.equal(after.status, 200, JSON.stringify(after.body));
  await everywhere(after.body.revision, 5000);
  for (const pod of pods) assert.equal((await provider(pod, 'google')).weight, 33, pod.name);
});

await t.check('the replicas may do nothing but keep their state and their Leases', async () => {
  const may = (verb, what) => {
    try {
      return fleet.kubectl('auth', 'can-i', verb, what, `--as=system:serviceaccount:${fleet.space}:conduit-agent`).trim();
    } catch (error) { return error.stdout.trim(); }
  };
  assert.equal(may('update', 'configmaps/conduit-control'), 'yes');
  for (const [verb, what] of [['get', 'secrets'], ['list', 'pods'], ['update', 'configmaps/conduit-config'], ['create', 'configmaps'],
    ['patch', 'deployments.apps'], ['create', 'pods/exec']]) assert.equal(may(verb, what), 'no', `${verb} ${what}`);
});

await t.check('who may not use the pod proxy is told so, and nothing changes', async () => {
  fleet.kubectl('create', 'serviceaccount', 'guest');
  fleet.kubectl('create', 'role', 'guest', '--verb=get,list', '--resource=pods,secrets');
  fleet.kubectl('create', 'rolebinding', 'guest', '--role=guest', `--serviceaccount=${fleet.space}:guest`);
  let secret;
  await until(() => (secret = JSON.parse(fleet.kubectl('get', 'serviceaccount', 'guest', '-o', 'json')).secrets?.[0]?.name), 20000, 'a token');
  const token = Buffer.from(JSON.parse(fleet.kubectl('get', 'secret', secret, '-o', 'json')).data.token, 'base64').toString();
  const config = JSON.parse(fleet.kubectl('config', 'view', '--raw', '--flatten', '-o', 'json'));
  config.users = [{ name: 'guest', user: { token } }];
  for (const one of config.contexts) one.context.user = 'guest';
  const file = `${process.env.HOME}/guest.json`;
  fs.writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const before = (await fleet.call(pods[0], 'GET', '/admin/v1/state')).body.revision;
  assert.equal(fleet.run(['context', 'set', 'kubernetes.kubeconfig', file]).code, 0);
  const refused = fleet.run(['provider', 'disable', 'google', '--yes', '-o', 'json']);
  assert.equal(fleet.run(['context', 'set', 'kubernetes.kubeconfig', process.env.KUBECONFIG]).code, 0);
  assert.equal(refused.code, 5, refused.out + refused.err);
  assert.match(refused.err, /pods\/proxy/);
  assert.equal((await fleet.call(pods[0], 'GET', '/admin/v1/state')).body.revision, before);
});

const ours = fs.existsSync(`${path.dirname(process.env.KUBECONFIG)}/apiserver.pid`);
if (ours) await t.check('without the API server the replicas route on, and one that starts anew takes the state from its disk', async () => {
  const { body } = await fleet.patch(pods[0], { 'providers/google/weight': 44 });
  await everywhere(body.revision, 5000);
  fleet.part('stop', 'apiserver');
  try {
    await until(async () => {
      const all = await Promise.all(pods.map((pod) => fleet.control(pod)));
      return all.every((control) => control.store_ok === false);
    }, 20000, 'every replica says that it has lost its store');
    const anew = pods[3];
    const pid = fleet.pid(anew);
    process.kill(pid, 'SIGKILL');
    await until(async () => {
      const ready = await fleet.call(anew, 'GET', '/health/ready').catch(() => undefined);
      return ready?.status === 200;
    }, 60000, 'it is ready again');
    assert.notEqual(fleet.pid(anew), pid);
    assert.equal((await fleet.control(anew)).from_disk, true);
    for (const pod of pods) assert.equal((await provider(pod, 'google')).weight, 44, pod.name);
    const refused = await fleet.patch(anew, { 'providers/google/weight': 45 });
    assert.ok(refused.status >= 500, JSON.stringify(refused));
  } finally {
    fleet.part('start', 'apiserver');
  }
  let seen;
  await until(async () => {
    seen = await Promise.all(pods.map((pod) => fleet.control(pod)));
    return seen.every((control) => control.store_ok && !control.from_disk);
  }, 60000, 'every replica has its store again').catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)}\n${fleet.kubectl('logs', '--tail=20', pods[3].name)}`);
  });
  const after = await fleet.patch(pods[3], { 'providers/google/weight': 45 });
  assert.equal(after.status, 200, JSON.stringify(after.body));
  await everywhere(after.body.revision, 5000);
});

t.end();
