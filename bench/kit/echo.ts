/** Echo: starts `echo-main.ts`, the bound for any server on the same runtime. */
import {fileURLToPath} from 'node:url';
import {type Child, freePort, startChild} from './child.ts';

const MAIN = fileURLToPath(new URL('./echo-main.ts', import.meta.url));

export async function startEcho(): Promise<Child & {readonly port: number}> {
  const port = await freePort();
  return {...(await startChild(process.execPath, [MAIN, String(port)], {ready: 'ready'})), port};
}
