// SPDX-License-Identifier: Apache-2.0
// The official OpenAI client against a running stack: node client_test.mjs ROUTER_URL KEY_FILE CONDUITCTL
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import WebSocket from 'ws';

const [router, keyFile, ctl] = process.argv.slice(2);
const apiKey = fs.readFileSync(keyFile, 'utf8').trim();
const client = new OpenAI({ apiKey, baseURL: `${router}/v1`, maxRetries: 0, timeout: 20000 });
// Node 18, Debian 12's, leaves a listener on a kept socket, which this client takes for an answer that was cut, whoever
// serves it (Node's own server too). The client's own option is the way round it.
const streams = Number(process.versions.node.split('.')[0]) >= 20 ? client
  : new OpenAI({ apiKey, baseURL: `${router}/v1`, maxRetries: 0, timeout: 20000, httpAgent: new http.Agent({ keepAlive: false }) });
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'conduit-openai-'));
let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack ?? error}`);
  }
}

const sentence = 'The official client works unchanged.';
const wav = path.join(work, 'speech.wav');

// Magic bytes of each container; pcm has none.
const magic = {
  wav: (b) => b.subarray(0, 4).toString() === 'RIFF',
  mp3: (b) => b.subarray(0, 3).toString() === 'ID3' || b[0] === 0xff,
  opus: (b) => b.subarray(0, 4).toString() === 'OggS',
  flac: (b) => b.subarray(0, 4).toString() === 'fLaC',
  aac: (b) => b.subarray(0, 3).toString() === 'ID3' || b[0] === 0xff,
  pcm: (b) => b.length > 1000,
};
for (const format of Object.keys(magic)) {
  await check(`speech in ${format}`, async () => {
    const answer = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: sentence, response_format: format });
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.ok(magic[format](bytes), `not ${format}: ${bytes.subarray(0, 8).toString('hex')}`);
    if (format === 'wav') fs.writeFileSync(wav, bytes);
  });
}

const transcribe = (extra, from = client) =>
  from.audio.transcriptions.create({ file: fs.createReadStream(wav), model: 'whisper-1', language: 'en', ...extra });

await check('transcription in json', async () => assert.equal((await transcribe({ response_format: 'json' })).text, sentence));
await check('transcription in text', async () => assert.equal(String(await transcribe({ response_format: 'text' })).trim(), sentence));
await check('transcription in srt', async () => assert.match(String(await transcribe({ response_format: 'srt' })), /00:00:00,000 --> .*\n.*official client/));
await check('transcription in vtt', async () => assert.match(String(await transcribe({ response_format: 'vtt' })), /^WEBVTT/));
await check('transcription in verbose_json', async () => {
  const answer = await transcribe({ response_format: 'verbose_json' });
  assert.equal(answer.text, sentence);
  assert.ok(Number(answer.duration) > 0.5);
  assert.ok(answer.segments.length >= 1);
});
await check('transcription streamed', async () => {
  let text = '';
  let done = false;
  for await (const event of await transcribe({ model: 'gpt-4o-transcribe', stream: true }, streams)) {
    if (event.type === 'transcript.text.delta') text += event.delta;
    if (event.type === 'transcript.text.done') { done = true; assert.equal(event.text, sentence); }
  }
  assert.ok(done, 'no done event');
  assert.equal(text.trim(), sentence);
});
await check('translation', async () => {
  const answer = await client.audio.translations.create({ file: fs.createReadStream(wav), model: 'whisper-1' });
  assert.equal(answer.text, sentence);
});
await check('models are listed', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.length > 0);
});
await check('a wrong key is an AuthenticationError', async () => {
  const stranger = new OpenAI({ apiKey: 'sk-wrong', baseURL: `${router}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.models.list(), (e) => e instanceof OpenAI.AuthenticationError);
});
await check('a wrong format is a BadRequestError that names the parameter', async () => {
  await assert.rejects(
    client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'x', response_format: 'ogg' }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === 'response_format');
});
await check('what nobody left can give is a clear 400', async () => {
  execFileSync(ctl, ['provider', 'disable', 'openai', '--yes', '--reason', 'client test'], { stdio: 'ignore' });
  await assert.rejects(
    client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Only openai speaks aac.', response_format: 'aac' }),
    (e) => e instanceof OpenAI.BadRequestError && /aac/.test(e.message));
  execFileSync(ctl, ['provider', 'enable', 'openai', '--yes'], { stdio: 'ignore' });
});
await check('cache clear drops what was cached, in every replica', async () => {
  const entries = () => JSON.parse(execFileSync(ctl, ['cache', 'stats', '-o', 'json'])).items.reduce((n, i) => n + i.entries, 0);
  await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Keep this.', response_format: 'mp3' });
  assert.ok(entries() > 0, 'nothing was cached');
  execFileSync(ctl, ['cache', 'clear', 'audio:', '--yes'], { stdio: 'ignore' });
  assert.equal(entries(), 0);
});
await check('realtime speaks and its close code is passed on', async () => {
  const socket = new WebSocket(`${router.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`, { headers: { Authorization: `Bearer ${apiKey}` } });
  const first = await new Promise((resolve, reject) => {
    socket.once('message', (data) => resolve(JSON.parse(String(data))));
    socket.once('error', reject);
  });
  assert.equal(first.type, 'session.created');
  const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
  socket.close(1000, 'bye');
  assert.equal(await closed, 1000);
});
await check('realtime without a key is refused before the upgrade', async () => {
  const socket = new WebSocket(`${router.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`);
  const status = await new Promise((resolve) => {
    socket.once('unexpected-response', (_, answer) => resolve(answer.statusCode));
    socket.once('open', () => resolve(101));
    socket.on('error', () => {});
  });
  assert.equal(status, 401);
  socket.terminate();
});

fs.rmSync(work, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
