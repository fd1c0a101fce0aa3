// SPDX-License-Identifier: Apache-2.0
// An S3-compatible store on loopback for tests: node server.mjs FOLDER PORT_FILE [FAULTS_FILE]. It serves bucket
// "backups" to S3RVER/S3RVER, and ends with its standard input. s3rver knows no Signature Version 4; it is checked here, as
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html has it. While FAULTS_FILE holds a
// number, each request takes one off and is answered with 503; "cut" as well breaks the connection.
import { createHash, createHmac } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import S3rver from 's3rver';

const [folder, portFile, faultsFile] = process.argv.slice(2);
const store = new S3rver({ directory: folder, silent: true, configureBuckets: [{ name: 'backups' }] });
await store.configureBuckets();
const handle = store.callback();

function fault() {
  let said;
  try { said = fs.readFileSync(faultsFile, 'utf8').trim(); } catch { return undefined; }
  const [count, kind] = said.split(' ');
  if (!(Number(count) > 0)) return undefined;
  fs.writeFileSync(faultsFile, `${Number(count) - 1} ${kind ?? ''}`);
  return kind || 'busy';
}

// The Code of what is wrong with a request's signature; undefined: nothing.
function mistrust(request) {
  const said = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d+)\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
    .exec(request.headers.authorization ?? '');
  if (!said) return 'AccessDenied';
  const [, who, day, region, names, signature] = said;
  if (who !== 'S3RVER') return 'InvalidAccessKeyId';
  const time = request.headers['x-amz-date'] ?? '';
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(Date.now() - at) < 15 * 60 * 1000)) return 'RequestTimeTooSkewed';
  if (!names.split(';').includes('host') || !names.split(';').includes('x-amz-content-sha256')) return 'AccessDenied';
  const [path, query = ''] = request.url.split('?');
  const canonical = [request.method, path, query.split('&').sort().join('&'),
    ...names.split(';').map((name) => `${name}:${request.headers[name]?.trim()}`), '', names,
    request.headers['x-amz-content-sha256']].join('\n');
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
  const key = [day, region, 's3', 'aws4_request'].reduce(hmac, 'AWS4S3RVER');
  const text = ['AWS4-HMAC-SHA256', time, `${day}/${region}/s3/aws4_request`, createHash('sha256').update(canonical).digest('hex')].join('\n');
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}

function refuse(response, status, code) {
  response.writeHead(status, { 'Content-Type': 'application/xml' });
  response.end(`<Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`);
}

const server = http.createServer((request, response) => {
  const wrong = faultsFile ? fault() : undefined;
  if (wrong === 'cut') {
    request.socket.destroy();
  } else if (wrong) {
    refuse(response, 503, 'SlowDown');
  } else if (mistrust(request)) {
    refuse(response, 403, mistrust(request));
  } else {
    handle(request, response);
  }
});
server.listen(0, '127.0.0.1', () => {
  fs.writeFileSync(`${portFile}.half`, String(server.address().port));
  fs.renameSync(`${portFile}.half`, portFile);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
