/**
 * Raw WebSockets: the least a server on `ws` can do. A control message `{count, payload}` is sent `count` times to every other socket, as loops of
 * `ws.send` do; the port is its argument.
 */
import {type WebSocket, WebSocketServer} from 'ws';

const sockets = new Set<WebSocket>();
const server = new WebSocketServer({port: Number(process.argv[2]), host: '127.0.0.1', perMessageDeflate: false});
server.on('connection', (socket, request) => {
  if (request.url !== '/control') {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    return;
  }
  socket.on('message', text => {
    const {count, payload} = JSON.parse(String(text)) as {count: number; payload: string};
    const bytes = Buffer.from(payload);
    for (let i = 0; i < count; i++) for (const one of sockets) one.send(bytes, {binary: false});
  });
});
server.on('listening', () => process.stdout.write('ready\n'));
process.on('SIGTERM', () => process.exit(0));
