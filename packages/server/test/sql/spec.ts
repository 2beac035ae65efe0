/** Spec: a generated query as its clauses: random ones, their text, and everything that makes one smaller. */
import type {Param} from '../../src/expr/expr.ts';
import {Expressions} from './expressions.ts';
import {type Node, node, render, smaller, some} from './node.ts';
import type {Random} from './random.ts';
import type {TypeName, World} from './world.ts';

export interface Spec {
  readonly items: readonly Node[];
  readonly isDistinct: boolean;
  readonly where: Node | undefined;
  readonly groupBy: readonly Node[];
  readonly having: Node | undefined;
  readonly orderBy: readonly {readonly node: Node; readonly suffix: string}[];
  readonly limit: string;
}

/** FROM is `TABLE`. */
export function specText(spec: Spec): {sql: string; params: Param[]} {
  const params: Param[] = [];
  const list = (nodes: readonly Node[]) => nodes.map(one => render(one, params)).join(', ');
  let sql = `SELECT ${spec.isDistinct ? 'DISTINCT ' : ''}${list(spec.items)} FROM TABLE`;
  if (spec.where !== undefined) sql += ` WHERE ${render(spec.where, params)}`;
  if (spec.groupBy.length > 0) sql += ` GROUP BY ${list(spec.groupBy)}`;
  if (spec.having !== undefined) sql += ` HAVING ${render(spec.having, params)}`;
  const order = spec.orderBy.map(({node: key, suffix}) => `${render(key, params)}${suffix}`);
  if (order.length > 0) sql += ` ORDER BY ${order.join(', ')}`;
  return {sql: sql + spec.limit, params};
}

export function specMayFail(spec: Spec): boolean {
  return allNodes(spec).some(one => some(one, part => part.mayFail === true));
}

/** Everything is evaluated for every row, so that an error of one executor must be an error of the other. */
export function isEager(spec: Spec): boolean {
  const isPlain =
    spec.limit === '' && spec.having === undefined && spec.where === undefined && spec.groupBy.length === 0;
  return (
    isPlain &&
    !allNodes(spec).some(one => some(one, ({form}) => /CASE|COALESCE|AND|OR|IN \(|BETWEEN|FILTER|COUNT/.test(form))) &&
    !allNodes(spec).some(one => some(one, isKnownNull))
  );
}

/** What is NULL without a row makes all of a call NULL: what stands beside it may be left out. */
function isKnownNull(one: Node): boolean {
  if (one.parts.length === 0) return one.form === 'NULL' || one.param === null;
  return !some(one, ({parts, form}) => parts.length === 0 && /^(?:k$|[cd]_)/.test(form));
}

export function approximateItems(spec: Spec): boolean[] {
  return spec.items.map(item => some(item, part => part.isApproximate === true));
}

function allNodes({items, where, groupBy, having, orderBy}: Spec): Node[] {
  const present = [where, having].filter(one => one !== undefined);
  return [...items, ...present, ...groupBy, ...orderBy.map(key => key.node)];
}

const ORDER_SUFFIXES = ['', ' ASC', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'];

export function randomSpec(random: Random, world: World): Spec {
  const expressions = new Expressions(random, world);
  const where = random.chance(0.5) ? expressions.of('boolean', random.below(3) + 1) : undefined;
  const limit = random.chance(0.3)
    ? ` LIMIT ${random.below(12)}${random.chance(0.4) ? ` OFFSET ${random.below(6)}` : ''}`
    : '';
  if (random.chance(0.35)) return groupedSpec(random, expressions, where, limit);
  const items = Array.from({length: 1 + random.below(4)}, () => expressions.any(random.below(4)));
  const isDistinct = random.chance(0.15);
  const key = {node: node(world.key.type, 'k'), suffix: ''};
  const orderBy = random.chance(0.5) || limit !== '' ? randomOrder(random, expressions) : [];
  const total = isDistinct ? ordinals(random, items) : [...orderBy, key];
  const isOrdered = orderBy.length > 0;
  return {
    items,
    isDistinct,
    where,
    groupBy: [],
    having: undefined,
    orderBy: isOrdered || limit !== '' ? total : [],
    limit,
  };
}

function randomOrder(random: Random, expressions: Expressions): Spec['orderBy'] {
  return Array.from({length: random.below(3)}, () => ({
    node: expressions.any(random.below(2)),
    suffix: random.pick(ORDER_SUFFIXES),
  })).filter(({node: key}) => !/^(?:CAST\()?[-\d']|^$/.test(key.form));
}

/** ORDER BY 1, 2 … over all columns. */
function ordinals(random: Random, items: readonly Node[]): Spec['orderBy'] {
  return items.map((item, i) => ({node: node(item.type, String(i + 1)), suffix: random.pick(ORDER_SUFFIXES)}));
}

function groupedSpec(random: Random, expressions: Expressions, where: Node | undefined, limit: string): Spec {
  const groupBy = Array.from({length: random.below(3)}, () =>
    random.chance(0.6) ? expressions.column() : unnamed(expressions.any(2)),
  ).filter(({form, param}) => param === undefined && !/^[-\d'TF]|^NULL/.test(form));
  const aggregates = Array.from({length: 1 + random.below(3)}, () => aggregate(random, expressions));
  const items = [...groupBy, ...aggregates];
  const having = random.chance(0.25)
    ? node('boolean', '(COUNT(*) > #0)', [node('bigint', String(random.below(3)))])
    : undefined;
  const orderBy = groupBy.length > 0 && (limit !== '' || random.chance(0.5)) ? ordinals(random, groupBy) : [];
  return {items, isDistinct: false, where, groupBy, having, orderBy, limit: groupBy.length > 0 ? limit : ''};
}

/** A grouped expression must be written twice the same, so it has no parameters. */
function unnamed(root: Node): Node {
  if (root.param !== undefined) return node(root.type, 'NULL');
  return {...root, parts: root.parts.map(unnamed)};
}

const NUMBERS: readonly TypeName[] = ['smallint', 'int', 'bigint', 'decimal'];

function aggregate(random: Random, expressions: Expressions): Node {
  const filter = random.chance(0.2) ? ' FILTER (WHERE #1)' : '';
  const filterPart = filter === '' ? [] : [expressions.of('boolean', 1)];
  const distinct = random.chance(0.25) ? 'DISTINCT ' : '';
  const of = (type: TypeName, form: string, arg: Node, mayFail = false): Node =>
    node(type, form + filter, [arg, ...filterPart], mayFail);
  switch (random.below(13)) {
    case 0:
      return of('bigint', 'COUNT(*)', node('int', '1'));
    case 1:
      return of('bigint', `COUNT(${distinct}#0)`, expressions.any(random.below(3)));
    case 2:
      return summed(of('bigint', `SUM(${distinct}#0)`, expressions.of(random.pick(NUMBERS), random.below(2)), true));
    case 3:
      return summed(of('decimal', `AVG(${distinct}#0)`, expressions.of(random.pick(NUMBERS), random.below(2)), true));
    case 4: {
      const name = random.pick(['SUM', 'AVG', 'STDDEV', 'VAR_POP', 'STDDEV_POP', 'VARIANCE']);
      const column = expressions.column(random.pick(['float', 'double', 'int', 'decimal']));
      return {...of('double', `${name}(#0)`, column), isApproximate: true};
    }
    case 5: {
      const arg = expressions.any(random.below(3));
      return of(arg.type, `${random.pick(['MIN', 'MAX'])}(#0)`, arg);
    }
    case 6:
      return of('boolean', `${random.pick(['BOOL_AND', 'BOOL_OR', 'EVERY'])}(#0)`, expressions.of('boolean', 2));
    case 7:
      return of('json', `JSON_AGG(${distinct}#0)`, expressions.any(random.below(2)));
    case 8: {
      const arg = expressions.of(random.pick(['smallint', 'int', 'bigint']), random.below(2));
      return of(arg.type, `${random.pick(['BIT_AND', 'BIT_OR', 'BIT_XOR'])}(#0)`, arg);
    }
    case 9:
      return {
        ...of('double', 'MEDIAN(#0)', expressions.of(random.pick(NUMBERS), random.below(2))),
        isApproximate: true,
      };
    case 10: {
      const arg = expressions.of(random.pick(['int', 'bigint', 'decimal', 'date', 'text']), random.below(2));
      const order = random.pick(['', ' DESC']);
      const name = random.pick(['MODE()', 'PERCENTILE_DISC(0.3)', 'PERCENTILE_DISC(0.75)']);
      return of(arg.type, `${name} WITHIN GROUP (ORDER BY #0${order})`, arg);
    }
    case 11: {
      const arg = expressions.of(random.pick(NUMBERS), random.below(2));
      return of('double', `PERCENTILE_CONT(${random.pick(['0', '0.35', '1'])}) WITHIN GROUP (ORDER BY #0)`, arg);
    }
    default:
      return of('text', `STRING_AGG(#0, ${random.pick(["','", "''", "'é'"])})`, expressions.of('text', 2));
  }
}

/** A parameter that is a number with a point is a DOUBLE where nothing else decides. */
function summed(root: Node): Node {
  return {...root, isApproximate: some(root.parts[0]!, ({param}) => param !== undefined)};
}

/** The query with one thing less, in every way. */
export function* smallerSpecs(spec: Spec): Generator<Spec> {
  if (spec.limit !== '') yield {...spec, limit: ''};
  if (spec.having !== undefined) yield {...spec, having: undefined};
  if (spec.where !== undefined) yield {...spec, where: undefined};
  if (spec.isDistinct) yield {...spec, isDistinct: false};
  if (spec.orderBy.length > 0) yield {...spec, orderBy: []};
  for (const [i] of spec.groupBy.entries()) {
    if (spec.orderBy.length === 0)
      yield {
        ...spec,
        groupBy: spec.groupBy.toSpliced(i, 1),
        items: spec.items.filter(item => item !== spec.groupBy[i]),
      };
  }
  if (spec.items.length > 1 && spec.orderBy.length === 0)
    for (const [i] of spec.items.entries()) yield {...spec, items: spec.items.toSpliced(i, 1)};
  if (spec.where !== undefined) for (const where of smaller(spec.where)) yield {...spec, where};
  for (const [i, item] of spec.items.entries()) {
    if (!spec.groupBy.includes(item))
      for (const less of smaller(item)) yield {...spec, items: spec.items.with(i, less)};
  }
  for (const [i, key] of spec.groupBy.entries()) {
    for (const less of smaller(key))
      yield {...spec, groupBy: spec.groupBy.with(i, less), items: spec.items.map(item => (item === key ? less : item))};
  }
}
