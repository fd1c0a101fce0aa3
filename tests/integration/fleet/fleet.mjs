// SPDX-License-Identifier: Apache-2.0
// The routers of one namespace as the fleet tests see them: by kubectl, by conduitctl, and each replica at its pod's
// address (the node of tests/cluster is this machine).
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';

export class Fleet {
  constructor(ctl, space, root) {
    this.ctl = ctl;
    this.space = space;
    this.cluster = `${root}/tests/cluster/kube`;
    this.workload = 'conduit-audio-service';
    this.agent = new http.Agent({ keepAlive: true });
  }

  kubectl(...words) {
    return execFileSync('kubectl', ['-n', this.space, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  // The node's own parts: part('stop', 'apiserver').
  part(verb, name) {
    execFileSync(this.cluster, [verb, name], { stdio: 'ignore', env: { ...process.env, KUBE_STATE: path.dirname(process.env.KUBECONFIG) } });
  }

  // {code, out, err}; never throws.
  run(words, env = {}) {
    try {
      const out = execFileSync(this.ctl, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
      return { code: 0, out, err: '' };
    } catch (error) {
      return { code: error.status, out: error.stdout ?? '', err: error.stderr ?? '' };
    }
  }

  // [{name, ip, ready}] of the pods that are not ending.
  pods() {
    const list = JSON.parse(this.kubectl('get', 'pods', '-l', 'app=conduit-audio', '-o', 'json'));
    return list.items.filter((pod) => !pod.metadata.deletionTimestamp).map((pod) => ({
      name: pod.metadata.name,
      ip: pod.status.podIP,
      ready: (pod.status.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True'),
    }));
  }

  // {status, body}; rejects when the replica cannot be reached in time.
  call(pod, method, path, body) {
    const text = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = http.request({
        agent: this.agent, host: pod.ip, port: 9091, method, path, timeout: 3000,
        headers: { 'X-Master-Key': 'fleet-operator-token', 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
      }, (answer) => {
        let all = '';
        answer.on('data', (piece) => { all += piece; });
        answer.on('end', () => resolve({ status: answer.statusCode, body: parsed(all) }));
        answer.on('error', reject);
      });
      // An idle connection may be closed by the replica just when it is used again.
      request.on('error', (error) => (request.reusedSocket && error.code === 'ECONNRESET' ? resolve(this.call(pod, method, path, body)) : reject(error)));
      request.on('timeout', () => request.destroy(new Error(`${pod.name}: no answer in time`)));
      request.end(text);
    });
  }

  async control(pod) {
    const answer = await this.call(pod, 'GET', '/admin/v1/replica');
    return answer.body.control;
  }

  patch(pod, set, reason = 'test') {
    return this.call(pod, 'PATCH', '/admin/v1/state', { set, reason });
  }

  // Nothing reaches the replica and nothing leaves it, as behind a broken switch; cut(pod, false) mends it.
  cut(pod, on = true) {
    for (const [chain, side] of [['INPUT', '-i'], ['OUTPUT', '-o']]) {
      execFileSync('nsenter', ['-t', String(this.pid(pod)), '-n', 'iptables', on ? '-I' : '-D', chain, side, 'eth0', '-j', 'DROP']);
    }
  }

  // The replica's process as this machine's kernel knows it.
  pid(pod) {
    return Number(execFileSync('pgrep', ['-f', `conduit-agent .*--name ${pod.name}$`], { encoding: 'utf8' }).trim());
  }
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return text; }
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}
