// SPDX-License-Identifier: Apache-2.0
// Weights, disable, reset, restart and failing providers under load, on the real programs: node routing_test.mjs CTL
import assert from 'node:assert/strict';
import { Checks, Stack, pause, until } from './stack.mjs';

const ctl = process.argv[2];
const stack = new Stack(ctl);
const t = new Checks();

function shares(counts, total) {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, (100 * n) / total]));
}
function assertShares(counts, wanted, total, points) {
  const have = shares(counts, total);
  for (const [name, share] of Object.entries(wanted))
    assert.ok(Math.abs((have[name] ?? 0) - share) <= points, `${name} has ${have[name]} % where ${share} % was wanted`);
  return Object.entries(have).map(([n, s]) => `${n} ${s.toFixed(2)} %`).join(', ');
}

await t.check('70/20/10 hold within 1.5 points over 10,000 requests', async () => {
  const { served, failures } = await stack.load(10000);
  assert.deepEqual(failures, []);
  return assertShares(served, { openai: 70, google: 20, aws: 10 }, 10000, 1.5);
});

await t.check('they hold again after the weights were changed under load', async () => {
  const load = stack.background(200);
  const changed = await stack.start('provider', 'weight', 'openai=50', 'google=40', '--yes');
  assert.equal(changed.code, 0, changed.err);
  const during = await load.stop();
  assert.deepEqual(during.failures, []);
  const { served, failures } = await stack.load(10000);
  assert.deepEqual(failures, []);
  const figure = assertShares(served, { openai: 50, google: 40, aws: 10 }, 10000, 1.5);
  const id = stack.run('history', 'ls', '--limit', '1', '-o', 'name').out.trim();
  assert.equal(stack.run('undo', id, '--yes').code, 0);
  return figure;
});

await t.check('after disable returned 0 the provider gets no new client request, and none in flight was cut', async () => {
  const load = stack.background(200);
  const disabled = await stack.start('provider', 'disable', 'openai', '--yes', '--reason', 'test');
  assert.equal(disabled.code, 0, disabled.err);
  const at = await stack.counter('openai');
  await pause(2000);
  const later = await stack.counter('openai');
  const { failures, sent } = await load.stop();
  assert.deepEqual(failures, []);
  assert.equal(later, at);
  assert.equal(stack.run('provider', 'enable', 'openai', '--yes').code, 0);
  return `${sent} requests, openai stayed at ${at}`;
});

await t.check('pool reset under load cuts nothing', async () => {
  const load = stack.background(200);
  await pause(1000);
  const reset = await stack.start('pool', 'reset');
  await pause(1000);
  assert.equal(reset.code, 0, reset.err);
  const { failures, sent } = await load.stop();
  assert.deepEqual(failures, []);
  return `${sent} requests`;
});

await t.check('restart of every replica under load cuts nothing', async () => {
  const load = stack.background(200);
  await pause(1000);
  const restarted = await stack.start('restart', '--yes');
  await pause(1000);
  assert.equal(restarted.code, 0, restarted.err);
  const { failures, sent } = await load.stop();
  // A kept-alive connection that the drained replica closed while we were sending on it is the client's to repeat.
  const real = failures.filter((f) => !(f.reused && /ECONNRESET|socket hang up/.test(f.error)));
  assert.deepEqual(real, []);
  return `${sent} requests, ${failures.length} on a connection that was being closed`;
});

assert.equal(stack.run('provider', 'set', 'openai', '--first-byte-timeout', '300ms').code, 0);
for (const [fault, flags] of Object.entries({
  refuse: ['--down'], reset: ['--reset'], 'answer 503': ['--status', '503'], 'hang past the first-byte limit': ['--hang'],
})) {
  await t.check(`a provider that starts to ${fault} at 200 requests a second costs no client an error, and comes back by itself`, async () => {
    const load = stack.background(200);
    await pause(500);
    assert.equal((await stack.start('local', 'sim', 'openai', ...flags)).code, 0);
    await pause(2000);
    assert.equal((await stack.start('local', 'sim', 'openai', '--clear')).code, 0);
    const before = await stack.counter('openai');
    await until(async () => (await stack.counter('openai')) > before + 20, 90000, 'openai is back in rotation');
    const { failures, sent } = await load.stop();
    assert.deepEqual(failures, []);
    return `${sent} requests`;
  });
}

await t.check('a provider that starts to cut its answers in the middle costs at most 5 streams and no other request', async () => {
  const load = stack.background(200, 4);
  await pause(500);
  assert.equal((await stack.start('local', 'sim', 'openai', '--cut-after', '20')).code, 0);
  await pause(2000);
  assert.equal((await stack.start('local', 'sim', 'openai', '--clear')).code, 0);
  const before = await stack.counter('openai');
  await until(async () => (await stack.counter('openai')) > before + 20, 90000, 'openai is back in rotation');
  const { failures, sent } = await load.stop();
  // Speech goes out as it comes, so what has begun cannot be asked for again; a transcript is one piece.
  const streams = failures.filter((f) => f.path === '/v1/audio/speech');
  assert.deepEqual(failures.filter((f) => !streams.includes(f)), []);
  assert.ok(streams.length <= 5, `${streams.length} streams were cut: ${JSON.stringify(streams)}`);
  return `${sent} requests, ${streams.length} streams cut`;
});

assert.equal(stack.run('config', 'unset', 'providers/openai/first_byte_timeout', '--yes').code, 0);

await t.check('kill -9 of an agent loses no override', async () => {
  assert.equal(stack.run('provider', 'weight', 'aws=33', '--yes').code, 0);
  const instance = JSON.parse(stack.run('local', 'status', '-o', 'json').out).instances.find((i) => i.workload === 'agent');
  process.kill(instance.pid, 'SIGKILL');
  await until(() => {
    const now = JSON.parse(stack.run('local', 'status', '-o', 'json').out);
    const same = now.instances.find((i) => i.name === instance.name);
    return same && same.ready && same.pid !== instance.pid;
  }, 15000, 'the agent is back');
  const rows = JSON.parse(stack.run('provider', 'ls', '-o', 'json').out).items;
  assert.equal(rows.find((r) => r.name === 'aws').weight, 33);
  assert.equal(stack.run('config', 'unset', 'providers/aws/weight', '--yes').code, 0);
});

await t.check('undo refuses what somebody changed since (7), and works when another field changed', async () => {
  assert.equal(stack.run('provider', 'weight', 'openai=60', '--yes').code, 0);
  const first = stack.run('history', 'ls', '--limit', '1', '-o', 'name').out.trim();
  assert.equal(stack.run('provider', 'weight', 'google=25', '--yes').code, 0);
  const other = stack.run('history', 'ls', '--limit', '1', '-o', 'name').out.trim();
  assert.equal(stack.run('undo', first, '--yes').code, 0);
  assert.equal(stack.run('provider', 'weight', 'google=26', '--yes').code, 0);
  assert.equal(stack.run('undo', other, '--yes').code, 7);
  assert.equal(stack.run('config', 'unset', 'providers/google/weight', '--yes').code, 0);
  assert.equal(stack.run('config', 'diff').code, 0);
});

await t.check('the journal is whole', () => assert.equal(stack.run('history', 'verify').code, 0));
t.end();
