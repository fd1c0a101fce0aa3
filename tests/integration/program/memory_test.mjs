// SPDX-License-Identifier: Apache-2.0
// Two hundred whole uploads of 25 MB at once through one agent: node memory_test.mjs BIN
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Checks, file, start, until, work } from './programs.mjs';

const bin = process.argv[2];
const uploads = 200, audioBytes = 25_000_000, limit = 64 * 1024 * 1024;
const t = new Checks();

// A provider that reads nothing until it is told to, and then a megabyte of each connection after the other, so that
// all uploads stay under way together. It answers when it has the whole.
const provider = { open: new Set(), reading: false, bytes: 0, whole: 0, most: 0 };
const server = net.createServer({ highWaterMark: 65536 }, (socket) => {
  const state = { got: 0, wanted: -1, allowed: 0 };
  socket.state = state;
  provider.open.add(socket);
  provider.most = Math.max(provider.most, provider.open.size);
  socket.on('close', () => provider.open.delete(socket));
  socket.on('error', () => {});
  socket.on('data', (piece) => {
    if (state.wanted < 0) { // the head comes in one piece
      const head = piece.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      state.wanted = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      state.got = piece.length - end - 4;
    } else {
      state.got += piece.length;
      provider.bytes += piece.length;
      state.allowed -= piece.length;
    }
    if (state.got >= state.wanted) {
      if (state.wanted > 0) provider.whole += 1;
      state.wanted = -1;
      const body = '{"text":"heard"}';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    } else if (state.wanted > 1_000_000 && state.allowed <= 0) {
      socket.pause();
    }
  });
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
let turn;
function readRound() { // a megabyte of each, then again
  for (const socket of provider.open) {
    if (socket.state.allowed > 0) continue;
    socket.state.allowed = 1_000_000;
    socket.resume();
  }
  turn = setTimeout(readRound, 5);
}

const key = file('openai.key', 'sk-upstream');
const agent = await start(path.join(bin, 'conduit-agent'), ['--config', file('agent.yaml',
  `listen: {data: "127.0.0.1:0"}\nproviders:\n  openai: {kind: openai, endpoint: "http://127.0.0.1:${server.address().port}", key: "file:${key}", max_connections: 1000}\n`
  + `cache: {enabled: true}\nserver: {threads: 2}\ncontrol: {store: sqlite, path: ${work}/control.db}\nrecords: {store: sqlite, path: ${work}/records.db}\n`)],
  // A sanitizer keeps what was freed for a while; that is its memory, not the agent's.
  { env: { ASAN_OPTIONS: 'quarantine_size_mb=1' } });
const router = new URL(agent.ready.data);
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${agent.child.pid}/status`, 'utf8'))[1]) * 1024;

const head = Buffer.from('--XyZ\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--XyZ\r\n'
  + 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n');
const riff = Buffer.alloc(44);
riff.write('RIFF', 0); riff.writeUInt32LE(36 + audioBytes - 44, 4); riff.write('WAVEfmt ', 8); riff.writeUInt32LE(16, 16);
riff.writeUInt16LE(1, 20); riff.writeUInt16LE(1, 22); riff.writeUInt32LE(16000, 24); riff.writeUInt32LE(32000, 28);
riff.writeUInt16LE(2, 32); riff.writeUInt16LE(16, 34); riff.write('data', 36); riff.writeUInt32LE(audioBytes - 44, 40);
const tail = Buffer.from('\r\n--XyZ--\r\n');
const block = Buffer.alloc(1 << 20, 0x5a);

// One upload over a socket of its own; the status of the answer.
function upload(bytes) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(router.port, router.hostname);
    let answer = '';
    socket.on('data', (piece) => { answer += piece; if (answer.includes('heard')) { socket.destroy(); resolve(Number(answer.slice(9, 12))); } });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`ended without an answer: ${answer.slice(0, 200)}`)));
    socket.write(`POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: ${head.length + bytes + tail.length}\r\n\r\n`);
    socket.write(head);
    socket.write(riff);
    let left = bytes - riff.length;
    const more = () => {
      while (left > 0) {
        const piece = block.subarray(0, Math.min(left, block.length));
        left -= piece.length;
        if (!socket.write(piece)) { socket.once('drain', more); return; }
      }
      socket.write(tail);
    };
    more();
  });
}

await t.check(`${uploads} uploads of 25 MB at once: the agent grows by less than 64 MB`, async () => {
  readRound();
  for (let i = 0; i < 4; i += 1) assert.equal(await upload(2_000_000), 200); // what one request needs is there
  clearTimeout(turn);
  const before = rss();
  let most = before;
  const sampling = setInterval(() => { most = Math.max(most, rss()); }, 20);
  const started = Date.now();
  const answers = Promise.all(Array.from({ length: uploads }, () => upload(audioBytes)));
  answers.catch(() => {});
  await until(() => [...provider.open].filter((s) => s.state.wanted > 1_000_000).length >= uploads, 150000, 'all uploads are under way together');
  readRound();
  const statuses = await answers;
  clearTimeout(turn);
  clearInterval(sampling);
  assert.ok(statuses.every((s) => s === 200));
  assert.ok(provider.whole >= uploads);
  assert.ok(provider.bytes >= uploads * audioBytes * 0.99, `only ${provider.bytes} bytes arrived`);
  const grown = most - before;
  assert.ok(grown < limit, `grew by ${(grown / 1048576).toFixed(1)} MiB from ${(before / 1048576).toFixed(1)}`);
  return `${(provider.bytes / 1e9).toFixed(1)} GB in ${((Date.now() - started) / 1000).toFixed(1)} s, from ${(before / 1048576).toFixed(1)} MiB by ${(grown / 1048576).toFixed(1)} MiB`;
});
t.end();
