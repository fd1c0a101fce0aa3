// SPDX-License-Identifier: Apache-2.0
// An S3-compatible store on loopback for tests: node server.mjs FOLDER PORT_FILE [FAULTS_FILE]. It serves bucket
// "backups" to S3RVER/S3RVER, checks signatures, and ends with its standard input. While FAULTS_FILE holds a
// number, each request takes one off and is answered with 503; "cut" as well breaks the connection.
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

const server = http.createServer((request, response) => {
  const wrong = faultsFile ? fault() : undefined;
  if (wrong === 'cut') {
    request.socket.destroy();
  } else if (wrong) {
    response.writeHead(503, { 'Content-Type': 'application/xml' });
    response.end('<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>');
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
