// SPDX-License-Identifier: Apache-2.0
// One agent and one simulator as plain processes, with certificates of a CA of our own.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const work = fs.mkdtempSync(path.join(os.tmpdir(), 'conduit-program-'));
const started = [];

export async function until(condition, milliseconds, what) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const seen = await condition();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function file(name, text) {
  const place = path.join(work, name);
  fs.writeFileSync(place, text, { mode: 0o600 });
  return place;
}

// {child, ready, log()}; `inherit`: listening sockets for descriptors 3 and 4.
export async function start(program, args, { env = {}, inherit = [] } = {}) {
  const name = `${path.basename(program)}-${started.length}`;
  const ready = path.join(work, `${name}.ready`);
  const log = path.join(work, `${name}.log`);
  const out = fs.openSync(log, 'a');
  const sanitizer = [process.env.ASAN_OPTIONS, env.ASAN_OPTIONS].filter(Boolean).join(':');
  const child = spawn(program, [...args, '--ready-file', ready],
    { stdio: ['ignore', out, out, ...inherit], env: { ...process.env, ...env, ASAN_OPTIONS: sanitizer } });
  fs.closeSync(out);
  started.push(child);
  const running = { child, log: () => fs.readFileSync(log, 'utf8') };
  const exited = new Promise((resolve) => child.on('exit', resolve));
  running.end = async (signal = 'SIGTERM') => { child.kill(signal); return exited; };
  const text = await until(() => {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${running.log()}`);
    return fs.existsSync(ready) && fs.readFileSync(ready, 'utf8');
  }, 15000, `${name} is ready`);
  running.ready = JSON.parse(text);
  return running;
}

export function endAll() {
  for (const child of started) child.kill('SIGKILL');
  fs.rmSync(work, { recursive: true, force: true });
}

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });

// A CA; its certificates are made by certificate().
export function authority(name) {
  const key = path.join(work, `${name}.key`), pem = path.join(work, `${name}.pem`);
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-keyout', key, '-out', pem);
  return { key, pem };
}

let serial = 1000;
// {certificate, key, serial}; names as in subjectAltName; days: [from, to] as offsets from now.
export function certificate(ca, name, { names = 'IP:127.0.0.1,DNS:localhost', days = [-1, 2] } = {}) {
  serial += 1;
  const key = path.join(work, `${name}.key`), request = path.join(work, `${name}.csr`), pem = path.join(work, `${name}.pem`);
  const ext = file(`${name}.ext`, `subjectAltName=${names}\n`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', request);
  const stamp = (offset) => new Date(Date.now() + offset * 86400000).toISOString().replace(/[-:T]/g, '').slice(0, 14) + 'Z';
  // `openssl ca` is the one that takes dates of the past.
  const folder = fs.mkdtempSync(path.join(work, 'ca-'));
  fs.writeFileSync(path.join(folder, 'index.txt'), '');
  fs.writeFileSync(path.join(folder, 'serial'), `${serial.toString(16).padStart(4, '0')}\n`);
  const config = file(`${name}.cnf`, `[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=${folder}\ndatabase=${folder}/index.txt\nserial=${folder}/serial\n`
    + 'default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n');
  openssl('ca', '-batch', '-config', config, '-in', request, '-cert', ca.pem, '-keyfile', ca.key, '-out', pem, '-notext',
    '-startdate', stamp(days[0]), '-enddate', stamp(days[1]), '-extfile', ext);
  return { certificate: pem, key, serial: serial.toString(16).toUpperCase().padStart(4, '0') };
}

export class Checks {
  passed = 0;
  failed = 0;
  async check(name, body) {
    try {
      const figure = await body();
      this.passed += 1;
      console.log(`ok   ${name}${figure ? `: ${figure}` : ''}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL ${name}: ${error.stack ?? error}`);
    }
  }
  end() {
    endAll();
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 ? 0 : 1);
  }
}
