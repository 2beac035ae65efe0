/**
 * Docs: writes the reference from the tables the server itself reads, and figures from what benches found, so that they cannot differ.
 *
 *     packages/protocol/src/errors.ts          → docs/reference/errors.md
 *     packages/protocol/src/messages.ts        → docs/reference/live-messages.md
 *     packages/server/src/options.ts           → docs/reference/settings.md
 *     packages/server/src/http/metrics.ts      → docs/reference/metrics.md
 *     packages/server/src/system/index.ts      → docs/reference/system-tables.md
 *     packages/server/src/expr/functions.ts    → docs/reference/functions.md, with aggregates.ts and window-functions.ts beside it
 *     packages/server/src/model/type-table.ts  → docs/reference/types.md
 *     packages/server/src/sql/statements/      → docs/reference/sql.md
 *     bench/results/<bench>.json               → the marked parts of docs/guide/performance.md
 *     bench/results/memory-costs.json          → docs/reference/memory-costs.md
 *
 *     node scripts/docs.ts            writes
 *     node scripts/docs.ts --check    fails if a file is not what would be written
 */
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {withResults} from '../bench/kit/page.ts';
import {figure, median, type Report} from '../bench/kit/report.ts';
import {ERRORS} from '../packages/protocol/src/errors.ts';
import {CLOSES, LIVE_ERRORS} from '../packages/protocol/src/messages.ts';
import {AGGREGATES} from '../packages/server/src/expr/aggregates.ts';
import {CHOICES} from '../packages/server/src/expr/calls.ts';
import {FUNCTION_GROUPS, type FunctionFacts} from '../packages/server/src/expr/functions.ts';
import {WINDOW_FUNCTIONS} from '../packages/server/src/expr/window-functions.ts';
import {METRICS} from '../packages/server/src/http/metrics.ts';
import {tableText} from '../packages/server/src/model/names.ts';
import {sqlName, TYPES, type TypeFacts} from '../packages/server/src/model/type-table.ts';
import type {OptionFacts} from '../packages/server/src/option-facts.ts';
import {OPTIONS} from '../packages/server/src/options.ts';
import {ROW_MAKERS} from '../packages/server/src/query/bind-function.ts';
import type {StatementKind} from '../packages/server/src/sql/define.ts';
import {EXAMPLE_TABLES, linesOf, STATEMENT_TOPICS} from '../packages/server/src/sql/statement-doc.ts';
import {STATEMENTS} from '../packages/server/src/sql/statements/index.ts';
import {SYSTEM_TABLES} from '../packages/server/src/system/index.ts';
import {report} from './tree.ts';

const NOTE = '<!-- Written by scripts/docs.ts; change the table named below and run it again. -->';

export function referencePages(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/live-messages.md', liveMessagesPage()],
    ['docs/reference/settings.md', settingsPage()],
    ['docs/reference/metrics.md', metricsPage()],
    ['docs/reference/system-tables.md', systemTablesPage()],
    ['docs/reference/functions.md', functionsPage()],
    ['docs/reference/types.md', typesPage()],
    ['docs/reference/sql.md', statementsPage()],
    [PERFORMANCE, withResults(readFileSync(PERFORMANCE, 'utf8'), resultsOf)],
    ['docs/reference/memory-costs.md', memoryCostsPage()],
  ]);
}

const PERFORMANCE = 'docs/guide/performance.md';

function resultsOf(bench: string): Report | undefined {
  const path = `bench/results/${bench}.json`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined;
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, {status, retry, about}]) => [
    `\`${code}\``,
    String(status),
    retry ? 'yes' : '',
    about,
  ]);
  return page(
    'Errors',
    [
      'Every code an answer can carry, from `packages/protocol/src/errors.ts`. Match on codes, never on texts. *Retry* says that the same request',
      'may succeed later without change. Where an error has a place in the statement, `error.position` holds its line and column in the request.',
    ],
    table(['code', 'HTTP status', 'retry', 'meaning'], rows),
  );
}

const MESSAGES = 'packages/protocol/src/messages.ts';

/** The types stand as they are in the source: they are what client and server are compiled with. */
function liveMessagesPage(): string {
  const [, fromClient, fromServer] = readFileSync(MESSAGES, 'utf8').split(/^\/\/ ---- .* -+\n/m);
  const code = (text: string) => `\`\`\`ts\n${text.trim()}\n\`\`\``;
  const [types] = fromServer!.split(/^\/\*\* Ids of errors/m);
  const errors = Object.entries(LIVE_ERRORS).map(([name, {ends, retry, about}]) => [
    `\`${name}\``,
    ends ? 'yes' : '',
    retry ? 'yes' : '',
    about,
  ]);
  const closes = Object.values(CLOSES).map(({code: number, reason}) => [String(number), reason]);
  const intro = [
    'What client and server say to each other on `GET /v1/ws`, as JSON or as MessagePack maps with the same keys. Who reads ignores fields it does not know:',
    'whatever is new rides in them. How to use them is told in [the guide](../guide/live-queries.md).',
  ];
  return page('Messages of live queries', intro, [
    ...['## From the client', '', code(fromClient!), '', '## From the server', '', code(types!), '', '## Errors', ''],
    ...table(['code', 'ends the subscription', 'retry', 'meaning'], errors),
    ...['', '## Closes', ''],
    ...table(['code', 'reason'], closes),
  ]);
}

function settingsPage(): string {
  const rows = Object.entries<OptionFacts>(OPTIONS).map(([key, facts]) => [
    `\`${key}\``,
    String(facts.default) === '' ? '' : `\`${facts.default}\`${facts.unit === undefined ? '' : ` ${facts.unit}`}`,
    allowed(facts),
    [facts.env ?? []]
      .flat()
      .map(name => `\`${name}\``)
      .join(', '),
    facts.about,
  ]);
  return page(
    'Settings',
    [
      'Every setting, from `packages/server/src/options.ts`. Each has a default; `server.toml` in the working directory, or the file named as the',
      'first argument, overrides it; the environment variable, where there is one, overrides both. A key with a dot is `[category]` and name in TOML.',
    ],
    table(['key', 'default', 'allowed', 'environment', 'meaning'], rows),
  );
}

function allowed({default: value, range, oneOf, isSecret}: OptionFacts): string {
  if (oneOf !== undefined) return oneOf.map(word => `\`${word}\``).join(', ');
  if (range !== undefined) return `${range[0]} to ${range[1]}`;
  if (typeof value === 'boolean') return '`true`, `false`';
  return typeof value === 'object' ? 'list' : isSecret ? 'secret' : 'text';
}

function metricsPage(): string {
  const rows = METRICS.map(({name, type, labels = [], about}) => [
    `\`${name}\``,
    type,
    labels.map(label => `\`${label}\``).join(', '),
    about,
  ]);
  return page(
    'Metrics',
    [
      'What `GET /metrics` tells, from `packages/server/src/http/metrics.ts`, in the text format of Prometheus. A histogram has `_bucket`, `_sum` and `_count`.',
      'Programs of this machine may read it, and the addresses of `metrics.allowed_ranges`.',
    ],
    table(['name', 'type', 'labels', 'meaning'], rows),
  );
}

function systemTablesPage(): string {
  const sections = SYSTEM_TABLES.filter(one => one.isVisible).flatMap(one => {
    const name = tableText(one.schema.name);
    const rows = one.columns.map(column => [
      `\`${column.name}\`${column.name === one.primaryKey ? ' (key)' : ''}`,
      column.type.toUpperCase(),
      column.isNullable ? 'yes' : '',
      column.doc,
    ]);
    const facts = `${one.doc} ${one.kind === 'stored' ? 'Stored' : 'Computed when read'}; roles that may read: ${one.readers.join(', ')}.`;
    return ['', `## ${name}`, '', facts, '', ...table(['column', 'type', 'null', 'meaning'], rows)];
  });
  return page(
    'System tables',
    [
      'What the server tells about itself, from `packages/server/src/system/index.ts`. Read with SELECT; nobody writes them.',
    ],
    sections.slice(1),
  );
}

function functionsPage(): string {
  const sections = FUNCTION_GROUPS.flatMap(({title, list}) => {
    const all = list.flatMap(facts => [facts, facts.forText, facts.forNumber].filter(one => one !== undefined));
    const rows = all.map(facts => [
      signature(facts),
      typeof facts.result === 'function' ? (facts.returns ?? '') : sqlName(facts.result),
      facts.bound === undefined ? facts.doc : `${facts.doc} (${facts.bound})`,
      exampleText(facts.example),
    ]);
    return ['', `## ${title}`, '', ...table(['call', 'result', 'meaning', 'example'], rows)];
  });
  const choices = Object.entries(CHOICES).map(([name, {doc, example}]) => [
    `\`${name}(…)\``,
    doc,
    exampleText(example),
  ]);
  const aggregates = [...AGGREGATES.values()].map(({name, argCount, call, doc}) => [
    `\`${call ?? `${name}(${argCount === 1 ? 'x' : 'x, y'})`}\``,
    doc,
  ]);
  const windows = [...WINDOW_FUNCTIONS.values()].map(({name, args: [least, most], doc}) => [
    `\`${name}(${'xyz'.slice(0, least).split('').join(', ')}${most > least ? ', …' : ''})\``,
    doc,
  ]);
  const makers = [...ROW_MAKERS].map(([name, {columns, doc}]) => [
    `\`${name}(…)\``,
    columns.map(column => (column === undefined ? '' : `\`${column}\``)).join(', '),
    doc,
  ]);
  makers.push(['`GENERATE_SERIES(from, to, [step])`', '', 'Integers, both ends among them.']);
  makers.push([
    "`GENERATE_SERIES(from, to, INTERVAL '…')`",
    '',
    'Moments, both ends among them; each step starts from the moment before.',
  ]);
  return page(
    'Functions',
    [
      'From the tables of `packages/server/src/expr/`. Every example is run by a test, by both executors. A name that does not exist is refused with',
      'those that are near. What stands in brackets may be left out; `…` may come again. NULL arguments make NULL where nothing else is said.',
    ],
    [
      ...sections.slice(1),
      ...['', '## Choices', '', ...table(['call', 'meaning', 'example'], choices)],
      ...['', '## Aggregates', ''],
      'Each takes `DISTINCT` inside and `FILTER (WHERE …)` behind its brackets, and may have an `OVER`. NULLs are left out unless it says otherwise.',
      ...['', ...table(['call', 'meaning'], aggregates)],
      ...['', '## Window functions', '', ...table(['call', 'meaning'], windows)],
      ...['', '## Functions that make rows', ''],
      'They stand in FROM, or one of them in a select list without groups and window functions. With `WITH ORDINALITY` they count their rows too. Where their columns have no name of their own, that is the alias.',
      ...['', ...table(['call', 'columns', 'rows'], makers)],
    ],
  );
}

function signature({name, aliases = [], args, optional = 0, isVariadic = false}: FunctionFacts): string {
  const given = args.map((type, i) => (i < args.length - optional ? type : `[${type}]`));
  const also = aliases.length === 0 ? '' : `, also ${aliases.map(alias => `\`${alias}\``).join(', ')}`;
  return `\`${name}(${given.join(', ')}${isVariadic ? ' …' : ''})\`${also}`;
}

function exampleText([call, value]: FunctionFacts['example']): string {
  return value === undefined ? `\`${call}\`` : `\`${call}\` → \`${value}\``;
}

function typesPage(): string {
  const rows = Object.values<TypeFacts>(TYPES).map(({sqlName: name, spellings, json, wire, input}) => [
    `\`${name}\``,
    spellings.filter(spelling => spelling !== name).join(', '),
    `\`${json}\``,
    wire,
    input,
  ]);
  return page(
    'Types',
    [
      'From `packages/server/src/model/type-table.ts`. *Schema* is the name in `schema[].data_type` of answers, *wire* the form of a value in JSON, in answers and',
      'as a parameter; a text of the input form is taken everywhere too. NULL of any type is `null`. Lengths of texts and precisions of times are taken and not kept.',
    ],
    table(['type', 'also written', 'schema', 'wire', 'input'], rows),
  );
}

function statementsPage(): string {
  const sections = STATEMENT_TOPICS.flatMap(topic => {
    const kinds = STATEMENTS.filter(kind => kind.doc?.topic === topic);
    return kinds.length === 0 ? [] : ['', `## ${topic}`, ...kinds.flatMap(statementSection)];
  });
  return page(
    'Statements',
    [
      'Every statement, from the files of `packages/server/src/sql/statements/`; types, functions and system tables have pages of their own: [types](types.md),',
      '[functions](functions.md), [system tables](system-tables.md), and where SQL here is not that of PostgreSQL stands in [differences](differences.md).',
      'What stands in `[ ]` may be left out, `{a | b}` is a choice, `…` may come again. A request holds one statement or several with `;` between them.',
      'Every example is run by a test, over these tables:',
      '',
      ...sqlBlock(EXAMPLE_TABLES),
    ],
    sections.slice(1),
  );
}

function statementSection({name, access, takesParams, isReadOnly, doc}: StatementKind): string[] {
  const {syntax, about, example, fails} = doc!;
  const facts = [
    access === 'any' ? '' : ' Asks for the role `dba` or `system`.',
    takesParams ? ' Takes parameters `$1`, `$2`, ….' : '',
    isReadOnly === true ? ' Changes nothing.' : '',
  ];
  return [
    ...['', `### ${name}`, '', '```', ...linesOf(syntax), '```', '', `${about}${facts.join('')}`, ''],
    ...sqlBlock(linesOf(example)),
    ...(fails === undefined ? [] : ['', `With these tables it answers an error that says \`${fails}\`.`]),
  ];
}

function sqlBlock(statements: readonly string[]): string[] {
  return ['```sql', ...statements.map(statement => `${statement};`), '```'];
}

/** `npm run bench -- memory-costs` measures. */
function memoryCostsPage(): string {
  const {machine, versions, loadAverage, measures}: Report = JSON.parse(
    readFileSync(new URL('../bench/results/memory-costs.json', import.meta.url), 'utf8'),
  );
  const rows = measures.map(({what, ours, facts}) => {
    const bytes = median(ours.rounds);
    const resident = ours.name === 'resident' ? bytes : Number(facts['resident']);
    const live = ours.name === 'resident' ? '' : rounded(bytes);
    return [what, live, rounded(resident), rounded(Number(facts['counted'])), figure(Number(facts['count']))];
  });
  return page(
    'What memory costs',
    [
      'Bytes of one of each kind: the difference that very many of them make, divided by their number, from `bench/results/memory-costs.json`. *Live* is',
      'what objects and buffers hold after a garbage collection, *resident* what the process has from the system, *counted* what the memory limits see.',
      'Rows are of a table with a key, an INT and a text of 24 bytes; segments are entries of manifests, made without files.',
      'Rows were ten for each of *count* users. What a start itself leaves behind is in the figures too, so they are upper bounds.',
      '',
      `Measured with Node ${versions['Node']} on ${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGiB} GiB, which others used too: load average`,
      `${loadAverage.join(' to ')}. Write it anew with \`npm run bench -- memory-costs\` and \`node scripts/docs.ts\`.`,
    ],
    table(['one …', 'live', 'resident', 'counted', 'count'], rows),
  );
}

/** Two digits are what a repetition gives again. */
function rounded(bytes: number): string {
  return figure(Number(bytes.toPrecision(2)));
}

function page(title: string, intro: readonly string[], body: readonly string[]): string {
  return [NOTE, '', `# ${title}`, '', ...intro, '', ...body, ''].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}

if (import.meta.main) {
  const isCheck = process.argv.includes('--check');
  const problems: string[] = [];
  for (const [path, text] of referencePages()) {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    if (isCheck) {
      problems.push(`${path} is not what its table says; run node scripts/docs.ts`);
      continue;
    }
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(path, text);
    console.log(`${path} written`);
  }
  report('docs', problems);
}
