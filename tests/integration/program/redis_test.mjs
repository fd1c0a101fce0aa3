// SPDX-License-Identifier: Apache-2.0
// Three agents that share a real Redis, under load, while it is killed, hangs, forgets, is full and fails over:
// node redis_test.mjs BIN
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { Checks, file, start, until, work } from './programs.mjs';

const bin = process.argv[2];
if (!fs.existsSync('/usr/bin/redis-server') || !fs.existsSync('/usr/bin/redis-sentinel')) {
  console.log('skipped: redis-server and redis-sentinel are not installed (tools/deps)');
  process.exit(process.env.CONDUIT_REQUIRE ? 1 : 77);
}
const program = (name) => path.join(bin, name);
const t = new Checks();
const token = 'operator-token-of-this-test';
const tokens = file('tokens.yaml', `- {name: test, scope: operator, sha256: ${crypto.createHash('sha256').update(token).digest('hex')}}\n`);
const sim = await start(program('conduit-sim'), ['--provider', 'openai=127.0.0.1:0', '--provider', 'google=127.0.0.1:0']);
const simUrl = (name) => sim.ready.providers?.[name]?.url ?? sim.ready.providers?.[name] ?? sim.ready[name];
const keys = { SIM_OPENAI: 'sk-sim-openai-test-key', SIM_GOOGLE: 'AIzaSimGoogleTestKey' };

// --- Redis --------------------------------------------------------------------------------------------------------
const freePort = () => new Promise((resolve) => {
  const server = net.createServer();
  server.listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});
const children = [];
process.on('exit', () => { for (const child of children) child.kill('SIGKILL'); });
class Redis {
  constructor(port, ...more) { this.port = port; this.more = more; }
  async start() {
    this.child = spawn('/usr/bin/redis-server', ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
      '--dir', work, ...this.more], { stdio: 'ignore' });
    children.push(this.child);
    await until(async () => (await this.run('PING').catch(() => '')).startsWith('+PONG'), 10000, 'redis answers');
    return this;
  }
  signal(name) { this.child.kill(name); }
  async kill() {
    const gone = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
  // The reply as it is on the wire.
  run(...words) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      let text = '';
      socket.on('data', (piece) => { text += piece.toString('latin1'); socket.end(); });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
      socket.write(`*${words.length}\r\n${words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`);
    });
  }
}

// --- agents ---------------------------------------------------------------------------------------------------------
let fleets = 0;
async function fleet(size, redis) {
  fleets += 1;
  const agents = [];
  for (let i = 0; i < size; i += 1) {
    const yaml = file(`agent-${fleets}-${i}.yaml`, `listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}\nadmin: {tokens: ${tokens}}\nproviders:\n`
      + `  openai: {kind: openai, weight: 50, endpoint: "${simUrl('openai')}", key: "env:SIM_OPENAI"}\n`
      + `  google: {kind: google, weight: 50, endpoint: "${simUrl('google')}", key: "env:SIM_GOOGLE"}\n`
      + `limits: {global: 1000000/s}\nserver: {threads: 2, drain_timeout: 2s}\nhealth: {probe_interval: 1h}\nrecords: {store: none}\n`
      + `control: {store: sqlite, path: ${work}/control-${fleets}.db}\nredis: ${redis}\n`);
    agents.push(await start(program('conduit-agent'), ['--config', yaml, '--name', `agent-${i}`], { env: keys }));
  }
  for (const agent of agents) await until(() => redisUp(agent), 10000, 'the agent reaches redis');
  return agents;
}
const pool = new http.Agent({ keepAlive: true, maxSockets: 64 });
function request(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { method, headers, agent: pool, timeout: 20000 }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.end(body);
  });
}
const admin = async (agent, place, options = {}) => {
  const answer = await request(`${agent.ready.admin}${place}`, { ...options, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' } });
  return { status: answer.status, body: JSON.parse(answer.body) };
};
const redisOf = async (agent) => (await admin(agent, '/health')).body.redis;
const redisUp = async (agent) => (await redisOf(agent)).status === 'up';
const speak = (agent, text) => request(`${agent.ready.data}/v1/audio/speech`, { method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ model: 'tts-1', voice: 'alloy', response_format: 'mp3', input: text }) });
const cacheUse = async (agent, text) => {
  const answer = await speak(agent, text);
  assert.equal(answer.status, 200, String(answer.body));
  return answer.headers['x-conduit-cache'];
};
// On one agent; returns when every one has it.
async function change(agents, set, unset = []) {
  const answer = await admin(agents[0], '/admin/v1/state', { method: 'PATCH', body: JSON.stringify({ set, unset, reason: 'test' }) });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  for (const agent of agents)
    await until(async () => (await admin(agent, '/admin/v1/replica')).body.control.applied_revision >= answer.body.revision, 5000, 'the change is applied');
}
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
let serial = 0;
// Half of the texts new, half of a few that are cached; `width` at a time until stop().
function load(agents, width = 8) {
  const seen = { sent: 0, failures: [], served: {}, slowest: 0 };
  let going = true;
  const lanes = Array.from({ length: width }, async (_, lane) => {
    while (going) {
      seen.sent += 1;
      serial += 1;
      const text = serial % 2 ? `New ${serial}.` : `Known ${serial % 20}.`;
      const began = performance.now();
      try {
        const answer = await speak(agents[(lane + seen.sent) % agents.length], text);
        if (answer.status !== 200) seen.failures.push(`${answer.status} ${answer.body}`);
        else if (answer.headers['x-conduit-cache'] === 'miss') seen.served[answer.headers['x-conduit-provider']] = (seen.served[answer.headers['x-conduit-provider']] ?? 0) + 1;
      } catch (error) { seen.failures.push(error.message); }
      seen.slowest = Math.max(seen.slowest, performance.now() - began);
    }
  });
  return async () => { going = false; await Promise.all(lanes); return seen; };
}
async function medianOfMisses(agent, count = 60) {
  const times = [];
  for (let i = 0; i < count; i += 1) {
    serial += 1;
    const began = performance.now();
    assert.equal((await speak(agent, `Timed ${serial}.`)).status, 200);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(count / 2)], max: times[count - 1] };
}

const redis = await new Redis(await freePort()).start();
const agents = await fleet(3, `{address: "127.0.0.1:${redis.port}"}`);
const [a, b, c] = agents;

await t.check('what one agent has made the others give, and Redis holds no text', async () => {
  assert.equal(await cacheUse(a, 'Shared by all.'), 'miss');
  await until(async () => (await redis.run('DBSIZE')) !== ':0\r\n', 5000, 'the value is in Redis');
  assert.equal(await cacheUse(b, 'Shared by all.'), 'hit');
  assert.equal(await cacheUse(c, 'Shared by all.'), 'hit');
  const scan = await redis.run('SCAN', '0', 'MATCH', 'audio:tts:*');
  assert.match(scan, /audio:tts:[0-9a-f]{64}/);
  assert.ok(!(await redis.run('KEYS', '*')).includes('Shared'));
  const keysOfB = (await admin(b, '/admin/v1/cache/keys?prefix=audio:tts:')).body.items;
  assert.equal(keysOfB.length, 1);
});
await t.check('after a clear that answered no agent gives an old answer, and the keys are gone', async () => {
  assert.equal(await cacheUse(a, 'To be cleared.'), 'miss');
  await until(async () => (await cacheUse(b, 'To be cleared.')) === 'hit', 5000, 'the other has it');
  await redis.run('SET', 'queue:jobs', 'not ours');
  await change(agents, { 'cache/clear': { epoch: 1, prefix: 'audio:tts:' } });
  assert.equal(await cacheUse(b, 'To be cleared.'), 'miss');
  assert.equal(await cacheUse(c, 'Shared by all.'), 'miss');
  await until(async () => {
    const states = await Promise.all(agents.map(async (one) => (await admin(one, '/admin/v1/cache')).body.shared.last_clear.state));
    return states.filter((s) => s === 'done').length === 1 && states.filter((s) => s === 'elsewhere').length === 2;
  }, 5000, 'one agent has removed the keys');
  assert.match(await redis.run('GET', 'queue:jobs'), /not ours/);
});
await t.check('a clear while Redis hangs says so, and what Redis kept is not given afterwards', async () => {
  assert.equal(await cacheUse(a, 'Kept by Redis.'), 'miss');
  await until(async () => (await redis.run('DBSIZE')) !== ':0\r\n' && (await admin(a, '/admin/v1/cache')).body.shared.writes > 0, 5000, 'written');
  redis.signal('SIGSTOP');
  for (const agent of agents) await until(async () => !(await redisUp(agent)), 10000, 'the agent sees it');
  assert.match((await redisOf(a)).detail, /^redis: away since .*, limits are local$/);
  assert.equal((await admin(a, '/health')).body.status, 'degraded');
  assert.equal((await admin(a, '/health/ready')).status, 200);
  await change(agents, { 'cache/clear': { epoch: 2, prefix: 'audio:' } });
  const reached = async () => (await Promise.all(agents.map(async (one) => (await admin(one, '/admin/v1/cache')).body.shared.last_clear.state)));
  await until(async () => (await reached()).every((state) => state === 'not-reached'), 5000, 'the agents say that Redis was not reached');
  redis.signal('SIGCONT');
  for (const agent of agents) await until(() => redisUp(agent), 15000, 'the agent is back');
  assert.equal(await cacheUse(b, 'Kept by Redis.'), 'miss');
  assert.equal((await redisOf(a)).limits, 'shared');
});
await t.check('an emergency limit of 100 a minute holds over three agents', async () => {
  await change(agents, { 'limits/emergency': { requests_per_minute: 100 } });
  const passed = async (milliseconds) => {
    const end = performance.now() + milliseconds;
    let count = 0;
    await Promise.all(agents.flatMap((agent) => [0, 1].map(async () => {
      while (performance.now() < end) {
        const answer = await speak(agent, 'Known 2.');
        if (answer.status === 200) count += 1;
        else assert.equal(answer.status, 429);
        await wait(20);
      }
    })));
    return count;
  };
  const shared = await passed(9000); // 15 and a burst of 1; each agent's own share should an answer be late
  assert.ok(shared >= 12 && shared <= 19, `${shared} in 9 s`);
  await redis.kill();
  for (const agent of agents) await until(async () => !(await redisUp(agent)), 10000, 'the agent sees it');
  const local = await passed(9000); // a third each, and a burst of 1 each
  assert.ok(local >= 10 && local <= 19, `${local} in 9 s without Redis`);
  await redis.start();
  for (const agent of agents) await until(() => redisUp(agent), 15000, 'the agent is back');
  await change(agents, {}, ['limits/emergency']);
  return `${shared} in 9 s through Redis, ${local} without it`;
});
await t.check('killed, hanging, emptied and full: no request fails, and no override is lost', async () => {
  await change(agents, { 'providers/google/enabled': false });
  const stop = load(agents);
  await wait(1000);
  await redis.kill();
  await wait(1500);
  await redis.start();
  for (const agent of agents) await until(() => redisUp(agent), 15000, 'back after the kill');
  redis.signal('SIGSTOP');
  await wait(2500);
  redis.signal('SIGCONT');
  for (const agent of agents) await until(() => redisUp(agent), 15000, 'back after the hang');
  for (let i = 0; i < 5; i += 1) { await redis.run('FLUSHALL'); await wait(100); }
  await redis.run('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  await redis.run('CONFIG', 'SET', 'maxmemory', '2mb');
  await wait(1500);
  const seen = await stop();
  assert.deepEqual(seen.failures, []);
  assert.ok(!seen.served.google, `google served ${seen.served.google}`);
  for (const agent of agents)
    assert.equal((await admin(agent, '/admin/v1/providers')).body.items.find((p) => p.name === 'google').enabled, false);
  await redis.run('CONFIG', 'SET', 'maxmemory', '0');
  return `${seen.sent} requests, none failed, the slowest ${Math.round(seen.slowest)} ms`;
});
await t.check('a miss costs little with Redis up, and next to nothing while it hangs', async () => {
  const up = await medianOfMisses(a);
  redis.signal('SIGSTOP');
  const hanging = await medianOfMisses(a, 120);
  assert.equal((await redisOf(a)).status, 'away');
  redis.signal('SIGCONT');
  await until(() => redisUp(a), 15000, 'back');
  const figure = ({ p50, max }) => `median ${p50.toFixed(1)} ms, longest ${max.toFixed(1)} ms`;
  return `up: ${figure(up)}; hanging: ${figure(hanging)}`;
});
await t.check('with sentinels the agents follow a failover, and no request fails', async () => {
  const master = await new Redis(await freePort()).start();
  const replica = await new Redis(await freePort(), '--replicaof', '127.0.0.1', String(master.port)).start();
  await until(async () => (await replica.run('INFO', 'replication')).includes('master_link_status:up'), 20000, 'the replica follows');
  const port = await freePort();
  const sentinel = new Redis(port);
  children.push(spawn('/usr/bin/redis-sentinel', [file('sentinel.conf', `port ${port}\nbind 127.0.0.1\ndir ${work}\nsentinel monitor cache 127.0.0.1 ${master.port} 1\n`
    + 'sentinel down-after-milliseconds cache 500\nsentinel failover-timeout cache 3000\n')], { stdio: 'ignore' }));
  await until(async () => (await sentinel.run('SENTINEL', 'REPLICAS', 'cache').catch(() => '')).includes(String(replica.port)), 30000, 'the sentinel knows the replica');
  const pair = await fleet(2, `{sentinels: ["127.0.0.1:${port}"], master: cache}`);
  const stop = load(pair, 4);
  await wait(500);
  const began = performance.now();
  await master.kill();
  await until(async () => (await redisOf(pair[0])).status === 'away', 10000, 'it is seen');
  for (const agent of pair) await until(async () => (await redisUp(agent)) && (await redisOf(agent)).where.endsWith(`:${replica.port}`), 30000, 'the agents have the new master');
  const took = performance.now() - began;
  const seen = await stop();
  assert.deepEqual(seen.failures, []);
  assert.equal(await cacheUse(pair[0], 'After the failover.'), 'miss');
  await until(async () => (await cacheUse(pair[1], 'After the failover.')) === 'hit', 5000, 'they share again');
  return `${seen.sent} requests, none failed, shared again after ${(took / 1000).toFixed(1)} s`;
});
await t.check('a password that is rotated in its file is in use at the next connection', async () => {
  const locked = await new Redis(await freePort()).start();
  await locked.run('CONFIG', 'SET', 'requirepass', 'first-secret');
  const secret = file('redis.password', 'first-secret\n');
  const [one] = await fleet(1, `{address: "127.0.0.1:${locked.port}", password_ref: "file:${secret}"}`);
  const client = (...words) => new Promise((resolve, reject) => {
    const socket = net.connect(locked.port, '127.0.0.1');
    const wire = (list) => `*${list.length}\r\n${list.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`;
    let text = '';
    socket.on('data', (piece) => { text += piece; if (text.split('\r\n').length > 2) socket.end(); });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.write(wire(['AUTH', words[0]]) + wire(words.slice(1)));
  });
  await client('first-secret', 'CONFIG', 'SET', 'requirepass', 'second-secret');
  fs.writeFileSync(secret, 'second-secret\n');
  const connects = (await redisOf(one)).connects;
  await until(async () => (await redisOf(one)).connects >= connects + 3 && redisUp(one), 10000, 'it connects anew');
  const shown = JSON.stringify((await admin(one, '/admin/v1/config')).body);
  assert.ok(!shown.includes('second-secret') && !one.log().includes('second-secret'));
});
await t.check('the figures are in the metrics', async () => {
  const text = String((await request(`${a.ready.admin}/metrics`)).body);
  assert.match(text, /^conduit_redis_up 1$/m);
  assert.match(text, /^conduit_limits_local 0$/m);
  assert.match(text, /^conduit_redis_timeouts_total [1-9]/m);
  assert.match(text, /^conduit_redis_latency_seconds_count [1-9]/m);
  assert.equal((await admin(a, '/admin/v1/summary')).body.redis.status, 'up');
});
for (const child of children) child.kill('SIGKILL');
t.end();
