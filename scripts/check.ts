/**
 * Check: everything that can be said about the sources in under a minute. Stops at nothing, tells the seconds of each step, and fails if
 * any step does.
 */
import {spawnSync} from 'node:child_process';

const steps: [name: string, script: string, ...args: string[]][] = [
  ['format, lint', 'node_modules/.bin/biome', 'check', '--diagnostic-level=warn', '.'],
  ['types', 'node_modules/.bin/tsc', '--noEmit', '-p', '.'],
  ['ranks', 'scripts/ranks.ts'],
  ['tidy', 'scripts/tidy.ts'],
  ['docs', 'scripts/docs.ts', '--check'],
  ['tests', 'scripts/test.ts', '--fast'],
];

const lines: string[] = [];
for (const [name, ...args] of steps) {
  const startMs = performance.now();
  const {status} = spawnSync(process.execPath, args, {stdio: 'inherit'});
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  lines.push(`${status === 0 ? '✔' : '✖'} ${name.padEnd(14)}${seconds.padStart(6)} s`);
  if (status !== 0) process.exitCode = 1;
}
console.log('\n' + lines.join('\n'));
