/**
 * Latency: how long one statement takes while nothing else runs: one client, ours and the peer's in turn.
 */
import type {BenchContext} from './bench.ts';
import {type Kalamdb, sqlRequest} from './kalamdb.ts';
import type {Postgres} from './postgres.ts';
import type {Series} from './report.ts';
import {type Side, sideBySide, type Takings, takeLoad, takePgbench} from './side-by-side.ts';

export interface Question {
  readonly name: string;
  /** Sent in turn. */
  readonly statements: readonly {readonly sql: string; readonly params?: readonly unknown[]}[];
  /** Of pgbench. */
  readonly script: string;
}

export interface Answered {
  readonly question: Question;
  readonly ours: Takings;
  readonly peer: Takings | undefined;
}

export async function askInTurn(
  context: BenchContext,
  server: Kalamdb,
  postgres: Postgres | undefined,
  questions: readonly Question[],
): Promise<Answered[]> {
  const {directory, seconds, seed} = context;
  const sides = questions.flatMap(({name, statements, script}): Side[] => {
    const requests = statements.map(statement => sqlRequest({user: 'bench', ...statement}));
    const load = {connections: 1, durationMs: seconds * 1000, requests};
    return [
      {name: `KalamDB ${name}`, take: () => takeLoad(server, server.port, directory, load)},
      ...(postgres === undefined
        ? []
        : [
            {
              name: `PostgreSQL ${name}`,
              take: () => takePgbench(postgres, {clients: 1, seconds, seed, scripts: [script]}),
            },
          ]),
    ];
  });
  const found = await sideBySide(context, sides);
  const named = (name: string, side: string): Takings | undefined => {
    const takings = found.get(`${side} ${name}`);
    return takings && {...takings, series: {...takings.series, name: side}};
  };
  return questions.map(question => ({
    question,
    ours: named(question.name, 'KalamDB')!,
    peer: named(question.name, 'PostgreSQL'),
  }));
}

/** One client: the time of a statement is what is left of a second. */
export function millisOf({series}: Takings): Series {
  return {name: series.name, rounds: series.rounds.map(perSecond => Number((1000 / perSecond).toPrecision(4)))};
}
