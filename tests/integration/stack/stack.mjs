// SPDX-License-Identifier: Apache-2.0
// What the stack tests share: the CLI as a child process, the simulator's counters, and load over kept-alive
// connections whose every failure is remembered.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';

export class Stack {
  constructor(ctl) {
    this.ctl = ctl;
    this.status = JSON.parse(this.run('local', 'status', '-o', 'json').out);
    this.key = fs.readFileSync(this.status.api_key_file, 'utf8').trim();
    this.router = new URL(this.status.router_url);
    this.serial = 0;
  }

  // {code, out, err}; never throws.
  run(...words) {
    try {
      return { code: 0, out: execFileSync(this.ctl, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }), err: '' };
    } catch (error) {
      return { code: error.status, out: error.stdout ?? '', err: error.stderr ?? '' };
    }
  }

  // Like run, but without stopping this process: load goes on meanwhile.
  async start(...words) {
    const { execFile } = await import('node:child_process');
    return new Promise((resolve) => {
      execFile(this.ctl, words, { encoding: 'utf8' }, (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
    });
  }

  async counter(provider) {
    const answer = await fetch(`${this.status.sim_control_url}/providers/${provider}`);
    return (await answer.json()).client_requests;
  }

  async counters() {
    return { openai: await this.counter('openai'), google: await this.counter('google'), aws: await this.counter('aws') };
  }

  // One speech request with a text of its own, so that no cache answers. {status, provider}
  speak(agent) {
    const body = JSON.stringify({ model: 'tts-1', voice: 'alloy', response_format: 'mp3', input: `Number ${(this.serial += 1)}.` });
    return this.send(agent, '/v1/audio/speech', 'application/json', body);
  }

  send(agent, path, type, body) {
    return new Promise((resolve) => {
      const request = http.request(
        { agent, host: this.router.hostname, port: this.router.port, path, method: 'POST', timeout: 30000,
          headers: { Authorization: `Bearer ${this.key}`, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) } },
        (answer) => {
          let bytes = 0;
          answer.on('data', (piece) => { bytes += piece.length; });
          answer.on('end', () => resolve({ path, status: bytes > 0 ? answer.statusCode : 0, provider: answer.headers['x-conduit-provider'] }));
          answer.on('error', (e) => resolve({ path, status: 0, error: `cut: ${e.message}` }));
        });
      request.on('error', (e) => resolve({ path, status: 0, error: e.message, reused: request.reusedSocket }));
      request.on('timeout', () => request.destroy(new Error('timeout')));
      request.end(body);
    });
  }

  // One transcription of a second of tone, its length unlike any other's. {status, provider}
  transcribe(agent) {
    const audio = wav(8000 + (this.serial += 1));
    const body = Buffer.concat([
      Buffer.from('--XyZ\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--XyZ\r\n'
        + 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'),
      audio, Buffer.from('\r\n--XyZ--\r\n')]);
    return this.send(agent, '/v1/audio/transcriptions', 'multipart/form-data; boundary=XyZ', body);
  }

  // total requests, `width` at a time. {served: {provider: n}, failures: [..]}
  async load(total, width = 16) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: width });
    const result = { served: {}, failures: [] };
    let left = total;
    await Promise.all(Array.from({ length: width }, async () => {
      while (left > 0) {
        left -= 1;
        this.note(result, await this.speak(agent));
      }
    }));
    agent.destroy();
    return result;
  }

  note(result, answer) {
    if (answer.status === 200) result.served[answer.provider] = (result.served[answer.provider] ?? 0) + 1;
    else result.failures.push(answer);
  }

  // `rate` requests a second, open loop, until stop() is called; stop() waits for the last answer. Of `every`
  // requests one is speech and the others are transcriptions.
  background(rate, every = 1) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    const result = { served: {}, failures: [], sent: 0 };
    const open = new Set();
    const timer = setInterval(() => {
      for (let i = 0; i < rate / 50; i += 1) {
        result.sent += 1;
        const one = (result.sent % every === 0 ? this.speak(agent) : this.transcribe(agent)).then((answer) => { this.note(result, answer); open.delete(one); });
        open.add(one);
      }
    }, 20);
    return {
      result,
      stop: async () => { clearInterval(timer); await Promise.all(open); agent.destroy(); return result; },
    };
  }
}

// A WAV of that many samples at 8 kHz: a tone, so that no provider hears silence.
function wav(samples) {
  const data = Buffer.alloc(44 + samples * 2);
  data.write('RIFF', 0); data.writeUInt32LE(36 + samples * 2, 4); data.write('WAVEfmt ', 8); data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20); data.writeUInt16LE(1, 22); data.writeUInt32LE(8000, 24); data.writeUInt32LE(16000, 28);
  data.writeUInt16LE(2, 32); data.writeUInt16LE(16, 34); data.write('data', 36); data.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i += 1) data.writeInt16LE(Math.round(8000 * Math.sin(i / 3)), 44 + i * 2);
  return data;
}

// The time under load is what is measured; nothing is waited for.
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function until(condition, milliseconds, what) {
  const end = Date.now() + milliseconds;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Checks {
  passed = 0;
  failed = 0;
  async check(name, body) {
    const started = Date.now();
    try {
      const figure = await body();
      this.passed += 1;
      console.log(`ok   ${name}${figure ? `: ${figure}` : ''} (${Date.now() - started} ms)`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL ${name}: ${error.stack ?? error}`);
    }
  }
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 ? 0 : 1);
  }
}
