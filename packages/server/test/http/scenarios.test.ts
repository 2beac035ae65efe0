/** The tables of scenarios, each against a server and database of its own; the rows of a table run in their order. */
import {after, before, describe, test} from 'node:test';
import {BODIES} from './bodies.scenarios.ts';
import {GUARDS} from './guards.scenarios.ts';
import {IDENTITIES} from './identities.scenarios.ts';
import {PARAMS} from './params.scenarios.ts';
import {runScenario, type Scenario} from './scenario.ts';
import {startServer, type TestServer} from './server.ts';
import {STATEMENTS} from './statements.scenarios.ts';

const TABLES: readonly [name: string, scenarios: readonly Scenario[]][] = [
  ['guards', GUARDS],
  ['bodies', BODIES],
  ['identities', IDENTITIES],
  ['params', PARAMS],
  ['statements', STATEMENTS],
];

for (const [name, scenarios] of TABLES) {
  describe(`scenarios of ${name}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer();
    });
    after(() => server.stop());
    for (const scenario of scenarios) test(scenario.name, () => runScenario(server, scenario));
  });
}
