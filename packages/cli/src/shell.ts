/**
 * Shell: lines from a person, put together to statements by the tokenizer of the server.
 *
 * Ctrl-C drops what was typed, Ctrl-D leaves. A failure of one input never ends the shell.
 */
import type {Interface} from 'node:readline';
import {isComplete, run} from './input.ts';
import {CliError} from './server.ts';
import type {Session} from './session.ts';

export async function runShell(session: Session, lines: Interface): Promise<void> {
  let buffer = '';
  let isClosed = false;
  lines.on('close', () => {
    isClosed = true;
  });
  const prompt = () => {
    if (isClosed) return;
    lines.setPrompt(`${session.namespace ?? 'kalam'}${buffer === '' ? '=>' : '->'} `);
    lines.prompt();
  };
  lines.on('SIGINT', () => {
    buffer = '';
    session.write('\n');
    prompt();
  });
  prompt();
  for await (const line of lines) {
    buffer = buffer === '' ? line : `${buffer}\n${line}`;
    if (buffer.trim() === '') buffer = '';
    else if (isComplete(buffer)) {
      const input = buffer;
      buffer = '';
      await answer(session, input);
      if (session.isOver) break;
    }
    prompt();
  }
  lines.close();
}

async function answer(session: Session, input: string): Promise<void> {
  try {
    await run(session, input);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    session.writeError(`${error.message}\n`);
  }
}
