/** Echo: the least a JSON server on node:http can do. It parses the body and answers with it; the port is its argument. */
import {createServer} from 'node:http';

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const answer = Buffer.from(JSON.stringify(body));
    response.writeHead(200, {'content-type': 'application/json', 'content-length': answer.length});
    response.end(answer);
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('ready\n'));
process.on('SIGTERM', () => process.exit(0));
