import {after, before, describe, it} from 'node:test';
import {startServer, type TestServer} from '../http/server.ts';
import {runDialogue} from './dialogue.ts';
import {dialogues} from './dialogues.scenarios.ts';

describe('live queries over a socket', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql('CREATE USER TABLE app.todo (id BIGINT PRIMARY KEY, title TEXT, done BOOLEAN)');
  });
  after(() => server.stop());

  for (const serialization of ['json', 'msgpack'] as const)
    for (const dialogue of dialogues(serialization))
      it(`${serialization}: ${dialogue.name}`, () => runDialogue(server, dialogue));
});
