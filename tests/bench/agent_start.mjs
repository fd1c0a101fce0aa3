// SPDX-License-Identifier: Apache-2.0
// How soon the agent serves, and what it needs at rest: node agent_start.mjs AGENT. Time is told as a number and as a
// share of the 100 ms it has; memory above its limit of 20 MB is a failure, because a busy machine cannot cause it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const agent = process.argv[2];
const runs = 15, rest = 2000, mostMs = 100, mostBytes = 20_000_000;
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'conduit-start-'));
const file = (name, text) => { fs.writeFileSync(path.join(work, name), text, { mode: 0o600 }); return path.join(work, name); };
const key = file('key', 'sk-bench');
const tokens = file('tokens.yaml', `- {name: bench, scope: operator, sha256: ${'0'.repeat(64)}}\n`);
const yaml = file('agent.yaml', 'listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}\n'
  + `admin: {tokens: ${tokens}}\nproviders:\n`
  + ['openai', 'second', 'third'].map((name) => `  ${name}: {kind: openai, endpoint: "http://127.0.0.1:9", key: "file:${key}"}\n`).join('')
  + `control: {store: sqlite, path: ${work}/control.db}\nrecords: {store: sqlite, path: ${work}/records.db}\n`);
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Milliseconds from the start of the process to the first 200 of /health/ready.
async function run(hold) {
  const ready = path.join(work, 'ready');
  fs.rmSync(ready, { force: true });
  const began = process.hrtime.bigint();
  const child = spawn(agent, ['--config', yaml, '--ready-file', ready], { stdio: 'ignore' });
  try {
    while (!fs.existsSync(ready) || !fs.readFileSync(ready, 'utf8').endsWith('\n')) {
      if (child.exitCode !== null || Number(process.hrtime.bigint() - began) > 20e9) throw new Error('the agent did not start');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const url = `${JSON.parse(fs.readFileSync(ready, 'utf8')).data}/health/ready`;
    for (;;) {
      const status = await new Promise((resolve, reject) => { http.get(url, (answer) => { answer.resume(); resolve(answer.statusCode); }).on('error', reject); });
      if (status === 200) break;
      await wait(1);
    }
    const took = Number(process.hrtime.bigint() - began) / 1e6;
    await wait(hold);
    const bytes = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) * 1024;
    return { took, bytes };
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => { if (child.exitCode !== null) resolve(); else child.on('exit', resolve); });
  }
}

const times = [];
for (let i = 0; i < runs; i += 1) times.push((await run(0)).took);
const { bytes } = await run(rest);
fs.rmSync(work, { recursive: true, force: true });
times.sort((a, b) => a - b);
const median = times[Math.floor(runs / 2)];
console.log(`agent ready after ${median.toFixed(1)} ms (median of ${runs}; ${times[0].toFixed(1)} to ${times[runs - 1].toFixed(1)})`);
console.log(`ratio limit agent-ready ${(median / mostMs).toFixed(3)}`);
console.log(`agent at rest ${(bytes / 1e6).toFixed(1)} MB`);
console.log(`ratio limit agent-rest ${(bytes / mostBytes).toFixed(3)}`);
if (bytes > mostBytes) {
  console.error(`bench: the agent needs ${(bytes / 1e6).toFixed(1)} MB at rest, more than ${mostBytes / 1e6}`);
  process.exit(1);
}
