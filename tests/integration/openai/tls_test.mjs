// SPDX-License-Identifier: Apache-2.0
// The official OpenAI client over https and wss, knowing the CA by NODE_EXTRA_CA_CERTS alone: node tls_test.mjs BIN
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Checks, authority, certificate, file, start, work } from '../program/programs.mjs';

if (process.argv[2] === 'client') {
  const { default: OpenAI } = await import('openai');
  const { OpenAIRealtimeWS } = await import('openai/realtime/ws');
  const client = new OpenAI({ apiKey: 'sk-any', baseURL: `${process.argv[3]}/v1`, maxRetries: 0, timeout: 20000 });
  const speech = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Over TLS.', response_format: 'mp3' });
  assert.ok((await speech.arrayBuffer()).byteLength > 500);
  const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime' }, client);
  assert.equal(realtime.url.protocol, 'wss:');
  const said = await new Promise((resolve, reject) => {
    realtime.on('error', reject);
    let text = '';
    realtime.on('session.created', () => realtime.send({ type: 'response.create', response: { instructions: 'Say hello.' } }));
    realtime.on('event', (event) => {
      if (/transcript\.delta$|text\.delta$/.test(event.type)) text += event.delta;
      if (event.type === 'response.done') resolve(text);
    });
  });
  const closed = new Promise((resolve) => { realtime.socket.once('close', (code) => resolve(code)); });
  realtime.close({ code: 1000, reason: 'bye' });
  assert.equal(await closed, 1000);
  console.log(`said: ${said}`);
  process.exit(0);
}

if (!fs.existsSync(new URL('node_modules/openai', import.meta.url))) {
  console.log('the OpenAI client is not installed: tests/integration/openai/install');
  process.exit(process.env.CONDUIT_REQUIRE ? 1 : 77);
}
const bin = process.argv[2];
const t = new Checks();
const sim = await start(path.join(bin, 'conduit-sim'), ['--provider', 'openai=127.0.0.1:0']);
const ca = authority('openai-test-ca');
const { certificate: pem, key } = certificate(ca, 'router', { names: 'DNS:localhost,IP:127.0.0.1' });
const agent = await start(path.join(bin, 'conduit-agent'), ['--config', file('agent.yaml',
  `listen: {data: "127.0.0.1:0", data_tls: {certificate: ${pem}, key: ${key}}}\nproviders:\n`
  + `  openai: {kind: openai, endpoint: "${sim.ready.providers.openai}", key: "env:SIM_OPENAI"}\n`
  + `control: {store: sqlite, path: ${work}/control.db}\nrecords: {store: none}\n`)], { env: { SIM_OPENAI: 'sk-sim-openai-test-key' } });
const url = agent.ready.data.replace('127.0.0.1', 'localhost');
const self = fileURLToPath(import.meta.url);
const run = (env) => execFileSync(process.execPath, [self, 'client', url], { env: { ...process.env, ...env }, encoding: 'utf8', timeout: 60000, stdio: 'pipe' });

await t.check('the official client speaks https and wss with the CA of NODE_EXTRA_CA_CERTS', () => run({ NODE_EXTRA_CA_CERTS: ca.pem }).trim());
await t.check('without the CA it refuses', () => assert.throws(() => run({ NODE_EXTRA_CA_CERTS: '' }), /certificate|APIConnectionError/));
t.end();
