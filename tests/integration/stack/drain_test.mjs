// SPDX-License-Identifier: Apache-2.0
// What --drain does for people who talk, on the real programs: node drain_test.mjs CTL
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import net from 'node:net';
import { Checks, Stack, pause, until } from './stack.mjs';

const stack = new Stack(process.argv[2]);
const t = new Checks();

// A realtime session that answers a close as the protocol says, and remembers its code.
class Session {
  static async open() {
    const session = new Session();
    session.socket = net.connect(stack.router.port, stack.router.hostname);
    session.bytes = Buffer.alloc(0);
    session.code = undefined; // of the close frame we got
    session.bare = false; // the connection ended without one
    session.socket.on('error', () => {});
    session.ended = new Promise((resolve) => session.socket.on('close', () => {
      session.bare = session.code === undefined;
      resolve();
    }));
    const opened = new Promise((resolve, reject) => {
      session.socket.on('data', (piece) => session.take(piece, resolve, reject));
    });
    session.socket.write('GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: router\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
      + `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\nAuthorization: Bearer ${stack.key}\r\n\r\n`);
    await opened;
    return session;
  }
  take(piece, opened, refused) {
    this.bytes = Buffer.concat([this.bytes, piece]);
    if (!this.upgraded) {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.bytes.subarray(0, end).toString();
      if (!head.startsWith('HTTP/1.1 101')) { refused(new Error(head)); return; }
      this.upgraded = true;
      this.bytes = this.bytes.subarray(end + 4);
      opened();
    }
    while (this.bytes.length >= 2) {
      let length = this.bytes[1] & 127, at = 2;
      if (length === 126) { if (this.bytes.length < 4) return; length = this.bytes.readUInt16BE(2); at = 4; }
      if (this.bytes.length < at + length) return;
      if ((this.bytes[0] & 15) === 8) {
        this.code = length >= 2 ? this.bytes.readUInt16BE(at) : 1005;
        if (!this.closing) this.close(this.code);
      }
      this.bytes = this.bytes.subarray(at + length);
    }
  }
  close(code) {
    this.closing = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.socket.write(Buffer.concat([Buffer.from([0x88, 0x82, 0, 0, 0, 0]), payload])); // a mask of zeros
    if (this.code !== undefined) this.socket.end();
  }
}

async function sessions(count) {
  const all = [];
  for (let i = 0; i < count; i += 1) all.push(await Session.open());
  return all;
}
const realtime = () => JSON.parse(stack.run('provider', 'show', 'openai', '-o', 'json').out).realtime;

await t.check('the sessions that are open show in provider show', async () => {
  const open = await sessions(3);
  assert.equal(realtime(), 3);
  open.forEach((s) => s.close(1000));
  await Promise.all(open.map((s) => s.ended));
  await until(() => realtime() === 0, 5000, 'no session is left');
});

await t.check('provider disable --drain waits for a session that ends by itself', async () => {
  const [held] = await sessions(1);
  let done = false;
  const command = stack.start('provider', 'disable', 'openai', '--drain', '20s', '--yes').then((r) => { done = true; return r; });
  await pause(4000);
  assert.equal(done, false);
  assert.equal(held.code, undefined);
  held.close(1000);
  const result = await command;
  assert.equal(result.code, 0, result.err);
  assert.match(result.out + result.err, /1 ended by itself/);
  await held.ended;
  assert.equal(held.code, 1000); // the provider's answer, not ours
  assert.equal(stack.run('provider', 'enable', 'openai', '--yes').code, 0);
});

await t.check('what is left when the time is over is closed with 1001, and it is said', async () => {
  const open = await sessions(3);
  const result = await stack.start('provider', 'disable', 'openai', '--drain', '2s', '--yes');
  assert.equal(result.code, 0, result.err);
  assert.match(result.out + result.err, /3 closed with 1001/);
  await Promise.all(open.map((s) => s.ended));
  assert.deepEqual(open.map((s) => s.code), [1001, 1001, 1001]);
  assert.equal(stack.run('provider', 'enable', 'openai', '--yes').code, 0);
  assert.equal(stack.run('config', 'diff').code, 0); // nothing of the drain is left behind
});

await t.check('without --drain a disabled provider keeps its sessions', async () => {
  const [held] = await sessions(1);
  assert.equal(stack.run('provider', 'disable', 'openai', '--yes').code, 0);
  await pause(500);
  assert.equal(held.code, undefined);
  assert.equal(stack.run('provider', 'enable', 'openai', '--yes').code, 0);
  held.close(1000);
  await held.ended;
});

await t.check('pool reset leaves sessions alone, with --drain it ends them', async () => {
  const [held] = await sessions(1);
  const reset = stack.run('pool', 'reset');
  assert.equal(reset.code, 0, reset.err);
  assert.equal(held.code, undefined);
  const drained = await stack.start('pool', 'reset', '--drain', '1s');
  assert.equal(drained.code, 0, drained.err);
  await held.ended;
  assert.equal(held.code, 1001);
});

await t.check('restart --drain gives every session that long and never a bare cut', async () => {
  const open = await sessions(6);
  // One that talks all the time has something under way until the end.
  const since = Date.now();
  const restarted = await stack.start('restart', '--drain', '2s', '--yes');
  assert.equal(restarted.code, 0, restarted.err);
  await Promise.all(open.map((s) => s.ended));
  assert.deepEqual(open.map((s) => s.code), [1001, 1001, 1001, 1001, 1001, 1001]);
  assert.ok(open.every((s) => !s.bare));
  assert.ok(Date.now() - since >= 2000);
});

await t.check('the quota that a provider tells shows in provider ls', async () => {
  for (let i = 0; i < 12; i += 1) await stack.speak();
  const rows = JSON.parse(stack.run('provider', 'ls', '-o', 'json').out).items;
  assert.deepEqual(rows.find((r) => r.name === 'openai').quota, { limit: 10000, remaining: 9999 });
  return stack.run('provider', 'ls').out.split('\n')[1];
});

await t.check('a replica that left is not counted any longer', async () => {
  const url = JSON.parse(stack.run('local', 'status', '-o', 'json').out);
  const { default: fs } = await import('node:fs');
  const token = fs.readFileSync(url.operator_token_file, 'utf8').trim();
  const answer = await fetch(`${url.admin_urls[0]}/admin/v1/replicas`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await answer.json()).items.length, 3);
});
t.end();
