// SPDX-License-Identifier: Apache-2.0
// conduitctl at an admin port of a private authority, with and without certificates of clients:
// node admin_tls_test.mjs BIN
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { authority, certificate, Checks, file, start, work } from './programs.mjs';

const bin = process.argv[2];
const t = new Checks();
const token = 'operator-token-of-this-test';
const tokenFile = file('token', token);
const tokens = file('tokens.yaml', `- {name: test, scope: operator, sha256: ${crypto.createHash('sha256').update(token).digest('hex')}}\n`);
const servers = authority('servers'), clients = authority('clients'), strangers = authority('strangers');
const served = certificate(servers, 'served'), ours = certificate(clients, 'ours'), foreign = certificate(strangers, 'foreign');

function agentOn(name, tls) {
  const yaml = file(`${name}.yaml`, `listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0", admin_tls: {certificate: ${served.certificate}, key: ${served.key}${tls}}}\n`
    + `admin: {tokens: ${tokens}}\nproviders:\n  openai: {kind: openai, endpoint: "http://127.0.0.1:9", key: "file:${tokenFile}"}\n`
    + `control: {store: sqlite, path: ${work}/${name}.db}\nrecords: {store: none}\n`);
  return start(path.join(bin, 'conduit-agent'), ['--config', yaml, '--name', name]);
}
const open = await agentOn('open', '');
const closed = await agentOn('closed', `, client_ca: ${clients.pem}`);

// Exit code, stdout and stderr of conduitctl with such an `agent` in its context.
let count = 0;
function conduitctl(agent, fields, ...words) {
  count += 1;
  const home = path.join(work, `home-${count}`);
  fs.mkdirSync(path.join(home, '.config/conduitctl'), { recursive: true });
  const more = Object.entries(fields).map(([name, value]) => `, ${name}: ${value}`).join('');
  fs.writeFileSync(path.join(home, '.config/conduitctl/config.yaml'), 'current-context: tls\ncontexts:\n  tls:\n'
    + `    agent: {urls: ["${agent.ready.admin}"], token: "file:${tokenFile}"${more}}\n`, { mode: 0o600 });
  return new Promise((resolve) => {
    execFile(path.join(bin, 'conduitctl'), words, { env: { ...process.env, HOME: home, NO_COLOR: '1' } },
      (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
  });
}
const known = { ca: servers.pem, certificate: ours.certificate, key: ours.key };

await t.check('a private authority is trusted when it is named, and only then', async () => {
  const good = await conduitctl(open, { ca: servers.pem }, 'provider', 'ls');
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /openai/);
  const bad = await conduitctl(open, {}, 'provider', 'ls');
  assert.equal(bad.code, 6, bad.err);
  assert.match(bad.err, /certificate/);
  assert.match(bad.err, /conduitctl context set agent\.ca FILE/);
  assert.equal((await conduitctl(open, { ca: strangers.pem }, 'provider', 'ls')).code, 6);
});
await t.check('an admin port that asks for certificates serves a client of its authority', async () => {
  const read = await conduitctl(closed, known, 'provider', 'ls');
  assert.equal(read.code, 0, read.err);
  const changed = await conduitctl(closed, known, 'limit', 'set', '--per-key', '500/h', '--yes', '--reason', 'test');
  assert.equal(changed.code, 0, changed.err);
});
await t.check('without a certificate, or with one of somebody else, it is 5 with what to set', async () => {
  for (const fields of [{ ca: servers.pem }, { ...known, certificate: foreign.certificate, key: foreign.key }]) {
    const refused = await conduitctl(closed, fields, 'provider', 'ls');
    assert.equal(refused.code, 5, refused.err);
    assert.match(refused.err, /only clients with a certificate/);
    assert.match(refused.err, /context set agent\.certificate FILE/);
  }
});
await t.check('a certificate that cannot be read is named, and its key is not shown', async () => {
  const missing = await conduitctl(closed, { ...known, certificate: '/no/such.pem' }, 'provider', 'ls');
  assert.equal(missing.code, 5, missing.err);
  assert.match(missing.err, /\/no\/such\.pem/);
  const swapped = await conduitctl(closed, { ...known, key: foreign.key }, 'provider', 'ls');
  assert.equal(swapped.code, 5, swapped.err);
  assert.ok(!swapped.err.includes('PRIVATE KEY'));
});
await t.check('a client_ca that is no certificate is refused at the start, with the file', async () => {
  await assert.rejects(agentOn('broken', `, client_ca: ${tokenFile}`), /cannot use the client_ca in .*token/);
});
t.end();
