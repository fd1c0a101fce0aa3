// SPDX-License-Identifier: Apache-2.0
// The agent as a process: TLS on both sides, inherited sockets, signals, and every provider's wire against the
// simulator: node agent_test.mjs BIN
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { Checks, authority, certificate, file, start, until, work } from './programs.mjs';

const bin = process.argv[2];
const program = (name) => path.join(bin, name);
const t = new Checks();
const token = 'operator-token-of-this-test';
const tokens = file('tokens.yaml', `- {name: test, scope: operator, sha256: ${crypto.createHash('sha256').update(token).digest('hex')}}\n`);
const sim = await start(program('conduit-sim'), ['--provider', 'openai=127.0.0.1:0', '--provider', 'google=127.0.0.1:0', '--provider', 'aws=127.0.0.1:0']);
const simUrl = (name) => sim.ready.providers?.[name]?.url ?? sim.ready.providers?.[name] ?? sim.ready[name];
const ca = authority('test-ca');
const keys = { SIM_OPENAI: 'sk-sim-openai-test-key', SIM_GOOGLE: 'AIzaSimGoogleTestKey', SIM_AWS: 'AKIDSIMTESTKEY', SIM_AWS_SECRET: 'sim-aws-test-secret-access-key' };
const lines = {
  openai: () => `  openai: {kind: openai, endpoint: "${simUrl('openai')}", key: "env:SIM_OPENAI"}\n`,
  google: () => `  google: {kind: google, endpoint: "${simUrl('google')}", key: "env:SIM_GOOGLE"}\n`,
  aws: () => `  aws: {kind: aws, region: us-east-1, endpoint: "${simUrl('aws')}", access_key: "env:SIM_AWS", secret_key: "env:SIM_AWS_SECRET"}\n`,
};
let count = 0;
function config(providers, { listen = '', more = '' } = {}) {
  count += 1;
  return file(`agent-${count}.yaml`, `listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"${listen}}\nadmin: {tokens: ${tokens}}\nproviders:\n${providers}`
    + `cache: {enabled: false}\nserver: {threads: 2, drain_timeout: 2s}\ncontrol: {store: sqlite, path: ${work}/control-${count}.db}\nrecords: {store: none}\n${more}`);
}
const agentOn = (yaml, options = {}) => start(program('conduit-agent'), ['--config', yaml, '--name', `a${count}`], { env: keys, ...options });

// {status, headers, body: Buffer}
function request(url, { method = 'GET', headers = {}, body, onPiece, ...more } = {}) {
  const client = url.startsWith('https') ? https : http;
  return new Promise((resolve, reject) => {
    const asked = client.request(url, { method, headers, ca: fs.readFileSync(ca.pem), agent: false, timeout: 20000, ...more }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => { pieces.push(piece); onPiece?.(piece); });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces), socket: answer.socket }));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.end(body);
  });
}
const speak = (url, format, text = 'The wire is real.') =>
  request(`${url}/v1/audio/speech`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'tts-1', voice: 'alloy', response_format: format, input: text }) });
function transcribe(url, audio, fields = {}, options = {}) {
  const parts = Object.entries({ model: 'whisper-1', ...fields }).map(([name, value]) => `--XyZ\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('');
  const body = Buffer.concat([Buffer.from(`${parts}--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n`), audio, Buffer.from('\r\n--XyZ--\r\n')]);
  return request(`${url}/v1/audio/transcriptions`, { method: 'POST', headers: { 'Content-Type': 'multipart/form-data; boundary=XyZ' }, body, ...options });
}
// A WAV of so many bytes of noise, for uploads that are larger than what is kept.
function noise(bytes) {
  const data = Buffer.alloc(44 + bytes, 7);
  data.write('RIFF', 0); data.writeUInt32LE(36 + bytes, 4); data.write('WAVEfmt ', 8); data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20); data.writeUInt16LE(1, 22); data.writeUInt32LE(16000, 24); data.writeUInt32LE(32000, 28);
  data.writeUInt16LE(2, 32); data.writeUInt16LE(16, 34); data.write('data', 36); data.writeUInt32LE(bytes, 40);
  return data;
}
const admin = (agent, place, options = {}) => request(`${agent.ready.admin}${place}`, { ...options, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...options.headers } });

// --- TLS listeners ----------------------------------------------------------------------------------------------
const first = certificate(ca, 'first');
const served = { certificate: path.join(work, 'served.pem'), key: path.join(work, 'served.key') };
const serve = (pair) => { fs.copyFileSync(pair.key, served.key); fs.copyFileSync(pair.certificate, served.certificate); };
serve(first);
const listenTls = `, data_tls: {certificate: ${served.certificate}, key: ${served.key}}, admin_tls: {certificate: ${served.certificate}, key: ${served.key}}`;
const secure = await agentOn(config(lines.openai(), { listen: listenTls }));
const serialOf = (url) => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: '127.0.0.1', port: new URL(url).port, ca: fs.readFileSync(ca.pem) }, () => { resolve(socket.getPeerCertificate().serialNumber); socket.destroy(); });
  socket.on('error', reject);
});
let wav;

await t.check('both ports speak TLS, and say so in their addresses', async () => {
  assert.match(secure.ready.data, /^https:/);
  assert.match(secure.ready.admin, /^https:/);
  assert.equal((await request(`${secure.ready.data}/v1/models`)).status, 200);
  assert.equal((await admin(secure, '/admin/v1/providers')).status, 200);
});
await t.check('curl verifies it with the CA and refuses it without', async () => {
  const curl = (...args) => new Promise((resolve) => { execFile('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', ...args], (error, out) => resolve(error ? error.code : out)); });
  assert.equal(await curl('--cacert', ca.pem, `${secure.ready.data}/v1/models`), '200');
  assert.equal(await curl(`${secure.ready.data}/v1/models`), 60);
});
await t.check('TLS 1.2 and 1.3 are spoken, 1.1 is refused', async () => {
  const speaks = (version) => new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port: new URL(secure.ready.data).port, ca: fs.readFileSync(ca.pem), minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
      () => { resolve(socket.getProtocol()); socket.destroy(); });
    socket.on('error', (error) => resolve(error.code));
  });
  assert.equal(await speaks('TLSv1.2'), 'TLSv1.2');
  assert.equal(await speaks('TLSv1.3'), 'TLSv1.3');
  assert.match(await speaks('TLSv1.1'), /PROTOCOL_VERSION/);
});
await t.check('plain HTTP on a TLS port is ended, and a silent client holds up nobody', async () => {
  const plain = net.connect(new URL(secure.ready.data).port, '127.0.0.1');
  const silent = net.connect(new URL(secure.ready.data).port, '127.0.0.1');
  const ended = new Promise((resolve) => { plain.on('close', resolve); plain.on('error', () => {}); });
  plain.resume();
  plain.write('GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n');
  await ended;
  assert.equal((await request(`${secure.ready.data}/v1/models`)).status, 200);
  silent.destroy();
});
await t.check('speech, a large upload and an event stream go through TLS', async () => {
  const speech = await speak(secure.ready.data, 'wav');
  assert.equal(speech.status, 200);
  wav = speech.body;
  assert.equal(JSON.parse((await transcribe(secure.ready.data, wav)).body).text, 'The wire is real.');
  const large = await transcribe(secure.ready.data, noise(5_000_000));
  assert.equal(large.status, 200, String(large.body));
  const events = await transcribe(secure.ready.data, wav, { model: 'gpt-4o-transcribe', stream: 'true' });
  assert.match(String(events.headers['content-type']), /event-stream/);
  assert.match(String(events.body), /transcript\.text\.delta[\s\S]*transcript\.text\.done/);
});
await t.check('a new certificate is served within seconds, and at once after SIGHUP', async () => {
  assert.equal(await serialOf(secure.ready.data), first.serial);
  const second = certificate(ca, 'second');
  serve(second);
  await until(async () => (await serialOf(secure.ready.data)) === second.serial, 5000, 'the second certificate is served');
  await until(async () => (await serialOf(secure.ready.admin)) === second.serial, 5000, 'the admin port, which looks by itself, serves it');
  const third = certificate(ca, 'third');
  const readings = () => secure.log().split('certificate read').length;
  const before = readings();
  serve(third);
  secure.child.kill('SIGHUP');
  await until(() => readings() >= before + 2, 3000, 'the log says that both ports read it');
  assert.equal(await serialOf(secure.ready.data), third.serial);
});
await t.check('a certificate that cannot be used leaves the one before, and the log says why', async () => {
  const now = await serialOf(secure.ready.data);
  fs.writeFileSync(served.certificate, 'not a certificate\n');
  secure.child.kill('SIGHUP');
  await until(() => secure.log().includes('certificate kept as it was'), 3000, 'the log says so');
  assert.equal(await serialOf(secure.ready.data), now);
  assert.match(secure.log(), /cannot use the certificate in .*served\.pem/);
  assert.ok(!secure.log().includes('PRIVATE KEY'));
});
await t.check('a key of another certificate is refused at the start, with the file and what to do', async () => {
  const wrong = config(lines.openai(), { listen: `, data_tls: {certificate: ${first.certificate}, key: ${ca.key}}` });
  await assert.rejects(agentOn(wrong), /cannot use the key .*test-ca\.key[\s\S]*PEM file/);
});

// --- TLS towards providers --------------------------------------------------------------------------------------
function provider(pair) { // answers like a transcription service, after the whole upload
  const seen = { bytes: 0 };
  const server = https.createServer({ cert: fs.readFileSync(pair.certificate), key: fs.readFileSync(pair.key) }, (asked, answer) => {
    asked.on('data', (piece) => { seen.bytes += piece.length; });
    asked.on('end', () => { answer.setHeader('Content-Type', 'application/json'); answer.end(asked.method === 'GET' ? '{"data":[]}' : '{"text":"heard"}'); });
  });
  return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve({ server, seen, url: `https://127.0.0.1:${server.address().port}` })); });
}
const good = await provider(certificate(ca, 'good'));
const expired = await provider(certificate(ca, 'expired', { days: [-3, -1] }));
const misnamed = await provider(certificate(ca, 'misnamed', { names: 'DNS:elsewhere.example' }));
const stranger = await provider(certificate(authority('strange-ca'), 'stranger'));
const overTls = (name, where) => `  ${name}: {kind: openai, endpoint: "${where.url}", key: "env:SIM_OPENAI", ca_file: ${ca.pem}}\n`;
const upstream = await agentOn(config(overTls('good', good) + overTls('expired', expired) + overTls('misnamed', misnamed) + overTls('stranger', stranger)));
const tested = async (name) => JSON.parse((await admin(upstream, `/admin/v1/providers/${name}/test`, { method: 'POST', body: '{}' })).body);

await t.check('a provider whose certificate is good is used, for uploads larger than what is kept too', async () => {
  assert.equal((await tested('good')).ok, true);
  const before = good.seen.bytes;
  const audio = noise(6_000_000);
  for (let i = 0; i < 4; i += 1) { // new connections and kept ones
    const answer = await transcribe(upstream.ready.data, audio);
    if (answer.headers['x-conduit-provider'] !== 'good') continue;
    assert.equal(answer.status, 200, String(answer.body));
  }
  assert.ok(good.seen.bytes - before >= audio.length, `only ${good.seen.bytes - before} bytes arrived`);
});
for (const [name, why] of Object.entries({ expired: /certificate has expired/, misnamed: /(IP address|hostname) mismatch/i, stranger: /unable to get local issuer certificate|self[- ]signed certificate in certificate chain/ })) {
  await t.check(`a provider with a bad certificate (${name}) is refused with the reason, and never sent to`, async () => {
    const result = await tested(name);
    assert.equal(result.ok, false);
    assert.match(result.error, /TLS handshake with 127\.0\.0\.1 failed/);
    assert.match(result.error, why);
    const seen = { expired, misnamed, stranger }[name].seen;
    assert.equal(seen.bytes, 0);
  });
}
await t.check('with bad certificates beside it, clients are served by the good one', async () => {
  for (let i = 0; i < 8; i += 1) {
    const answer = await transcribe(upstream.ready.data, noise(20000));
    assert.equal(answer.status, 200, String(answer.body));
    assert.equal(answer.headers['x-conduit-provider'], 'good');
  }
});

// --- every provider's wire --------------------------------------------------------------------------------------
for (const name of ['openai', 'google', 'aws']) {
  await t.check(`${name}: what it speaks it hears again, through the agent`, async () => {
    const agent = await agentOn(config(lines[name]()));
    const formats = { openai: ['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm'], google: ['mp3', 'opus', 'wav', 'pcm'], aws: ['mp3', 'opus', 'pcm'] }[name];
    const given = [];
    for (const format of formats) {
      const speech = await speak(agent.ready.data, format);
      assert.ok(speech.status === 200 || speech.status === 400, `${format}: ${speech.status} ${speech.body}`);
      if (speech.status === 200) { given.push(format); assert.equal(speech.headers['x-conduit-provider'], name); assert.ok(speech.body.length > 100, `${format}: ${speech.body.length} bytes`); }
    }
    assert.ok(given.includes('mp3'), `gave ${given}`);
    const heard = await transcribe(agent.ready.data, wav, { language: 'en' });
    assert.equal(heard.status, 200, String(heard.body));
    assert.equal(heard.headers['x-conduit-provider'], name);
    assert.equal(JSON.parse(heard.body).text, 'The wire is real.');
    const subtitles = await transcribe(agent.ready.data, wav, { language: 'en', response_format: 'srt' });
    assert.equal(subtitles.status, 200, String(subtitles.body));
    assert.match(String(subtitles.body), /00:00:00,\d+ --> /);
    await agent.end();
    return given.join(' ');
  });
}
await t.check('wrong credentials at a provider are its fault, named without the credential', async () => {
  const agent = await agentOn(config(lines.aws()), { env: { ...keys, SIM_AWS_SECRET: 'wrong-secret' } });
  const answer = await speak(agent.ready.data, 'mp3');
  assert.ok(answer.status >= 500, `${answer.status}`);
  const rows = JSON.parse((await admin(agent, '/admin/v1/providers')).body).items;
  assert.equal(rows[0].auth_failed, true);
  assert.ok(!agent.log().includes('wrong-secret'));
  await agent.end();
});
await t.check("what the provider's headers say of our quota reaches the admin API", async () => {
  const agent = await agentOn(config(lines.openai()));
  assert.equal((await speak(agent.ready.data, 'mp3')).status, 200);
  const [row] = JSON.parse((await admin(agent, '/admin/v1/providers')).body).items;
  assert.deepEqual(row.quota, { limit: 10000, remaining: 9999 });
  await agent.end();
});

// --- the process ------------------------------------------------------------------------------------------------
await t.check('inherited sockets are served (LISTEN_FDS)', async () => {
  const listening = async () => { const s = net.createServer(); await new Promise((r) => { s.listen(0, '127.0.0.1', r); }); return s; };
  const [data, adminPort] = [await listening(), await listening()];
  const port = data.address().port;
  const starting = agentOn(config(lines.openai()), { env: { ...keys, LISTEN_FDS: '2' }, inherit: [data._handle.fd, adminPort._handle.fd] });
  data.close(); adminPort.close();
  const agent = await starting;
  assert.equal(new URL(agent.ready.data).port, String(port));
  assert.equal((await request(`http://127.0.0.1:${port}/v1/models`)).status, 200);
  await agent.end();
});
await t.check('a descriptor that is no listening socket is refused by name', async () => {
  const plain = fs.openSync('/dev/null', 'r');
  await assert.rejects(agentOn(config(lines.openai()), { env: { ...keys, LISTEN_FDS: '1' }, inherit: [plain] }), /descriptor 3 is not a listening socket/);
  fs.closeSync(plain);
});
await t.check('SIGHUP reads the configuration again, and a broken one changes nothing', async () => {
  const yaml = config(lines.openai() + lines.google());
  const agent = await agentOn(yaml);
  const weight = async () => JSON.parse((await admin(agent, '/admin/v1/providers/openai')).body).configured_weight;
  const text = fs.readFileSync(yaml, 'utf8');
  fs.writeFileSync(yaml, text.replace('openai: {', 'openai: {weight: 7, '));
  agent.child.kill('SIGHUP');
  await until(async () => (await weight()) === 7, 3000, 'the new weight');
  fs.writeFileSync(yaml, text.replace('openai: {', 'openai: {wieght: 9, '));
  agent.child.kill('SIGHUP');
  await until(async () => /wieght/.test(JSON.parse((await admin(agent, '/admin/v1/replica')).body).config.error), 3000, 'the fault is told');
  assert.equal(await weight(), 7);
  assert.equal(await agent.end(), 0);
});
t.end();
