import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

const FIXTURE = fileURLToPath(new URL('./fixture-query.ts', import.meta.url));

async function startFixture(...args: string[]): Promise<{server: ChildProcess; pid: number}> {
  const server = spawn(process.execPath, [FIXTURE, ...args], {stdio: ['ignore', 'pipe', 'inherit']});
  const [line] = (await once(server.stdout!, 'data')) as [Buffer];
  return {server, pid: Number(line.toString())};
}

async function assertGone(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
  assert.fail('the child is still there');
}

test('an idle child keeps no process alive, and ends with it', async () => {
  const {server, pid} = await startFixture();
  const [code] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode];
  assert.equal(code, 0);
  await assertGone(pid);
});

test('a child ends with a server that is killed in the middle of a query', async () => {
  const {server, pid} = await startFixture('hold');
  await sleep(500);
  server.kill('SIGKILL');
  await once(server, 'exit');
  await assertGone(pid);
});
