// SPDX-License-Identifier: Apache-2.0
// The emergency block of five replicas on a real cluster: node safety_test.mjs CTL NAMESPACE ROOT
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Checks, until } from '../stack/stack.mjs';
import { Fleet } from './fleet.mjs';

const fleet = new Fleet(...process.argv.slice(2));
const t = new Checks();
let pods = [];

const allowed = async (pod) => (await fleet.call(pod, 'POST', '/admin/v1/safety/test', { text: 'Good morning' })).body.allowed;
const emergency = (...words) => fleet.run(['safety', 'emergency', ...words, '-o', 'json']);

async function ready(count) {
  await until(() => {
    pods = fleet.pods();
    return pods.length === count && pods.every((pod) => pod.ready);
  }, 120000, `${count} ready pods`);
}

await t.check('the block is proved on every replica, and holds for one that starts later', async () => {
  await ready(5);
  for (const pod of pods) assert.equal(await allowed(pod), true, pod.name);
  const on = emergency('on', '--yes', '--reason', 'filter failure');
  assert.equal(on.code, 0, on.out + on.err);
  assert.equal(JSON.parse(on.out).verified, true);
  for (const pod of pods) assert.equal(await allowed(pod), false, pod.name);
  const gone = pods[0].name;
  fleet.kubectl('delete', 'pod', gone);
  await until(() => fleet.pods().every((pod) => pod.name !== gone), 60000, 'it is gone');
  await ready(5);
  for (const pod of pods) assert.equal(await allowed(pod), false, pod.name);
});

await t.check('it is lifted by two people, whose names are kept', async () => {
  const off = ['off', '--confirm', 'emergency', '--reason', 'rules repaired'];
  assert.equal(emergency(...off).code, 3);
  for (const pod of pods) assert.equal(await allowed(pod), false, pod.name);
  const set = `${process.env.HOME}/cases.yaml`;
  fs.writeFileSync(set, '- {text: Good morning, blocked: true}\n');
  const wrong = emergency(...off, '--approve', 'jonas', '--labelled', set);
  assert.equal(wrong.code, 13, wrong.out + wrong.err);
  for (const pod of pods) assert.equal(await allowed(pod), false, pod.name);
  fs.writeFileSync(set, '- {text: Good morning, blocked: false}\n');
  const lifted = emergency(...off, '--approve', 'jonas', '--labelled', set);
  assert.equal(lifted.code, 0, lifted.out + lifted.err);
  for (const pod of pods) assert.equal(await allowed(pod), true, pod.name);
  assert.match(fleet.run(['history', 'ls', '-o', 'json']).out, /approved by jonas/);
});

await t.check('the rules of every replica are compared with the approved set', async () => {
  const file = `${process.env.HOME}/rules.json`;
  const rules = JSON.parse(fleet.run(['safety', 'rules', '-o', 'json']).out);
  fs.writeFileSync(file, JSON.stringify(rules));
  const same = fleet.run(['safety', 'rules', 'verify', '--approved', file, '-o', 'json']);
  assert.equal(same.code, 0, same.out + same.err);
  assert.equal(JSON.parse(same.out).items.length, 5);
  fs.writeFileSync(file, JSON.stringify([...rules.items, { name: 'fireworks', pattern: 'x' }]));
  const other = fleet.run(['safety', 'rules', 'verify', '--approved', file, '-o', 'json']);
  assert.equal(other.code, 14, other.out + other.err);
  assert.match(other.out, /fireworks is missing/);
});

await t.check('a replica that hangs is named by exit 11, the block stands, and with --or-stop nothing runs', async () => {
  const hung = pods[2];
  const pid = fleet.pid(hung);
  process.kill(pid, 'SIGSTOP');
  try {
    const on = emergency('on', '--yes', '--reason', 'filter failure', '--timeout', '10s');
    assert.equal(on.code, 11, `exit ${on.code}: ${on.out}${on.err}`);
    assert.ok((on.out + on.err).includes(hung.name), on.out + on.err);
    for (const pod of pods.filter((one) => one !== hung)) assert.equal(await allowed(pod), false, pod.name);
    const closed = emergency('on', '--or-stop', '--yes', '--reason', 'filter failure', '--timeout', '60s');
    assert.equal(closed.code, 11, `exit ${closed.code}: ${closed.out}${closed.err}`);
    assert.equal(fleet.pods().length, 0);
  } finally {
    try { process.kill(pid, 'SIGCONT'); } catch { /* it was stopped */ }
  }
  const started = fleet.run(['start', fleet.workload, '--yes', '-o', 'json']);
  assert.equal(started.code, 0, started.out + started.err);
  await ready(5);
  for (const pod of pods) assert.equal(await allowed(pod), false, pod.name); // still blocked
});

t.end();
