/**
 * Steps: one operator of a chain of arithmetic, concatenation and JSON paths, typed for its two sides.
 *
 * Law: `apply` sees no NULL; the chain answers NULL before.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import {valueText} from '../model/values.ts';
import type {BinaryOperator, Expr} from '../parser/ast.ts';
import {failAt, implicitly, NO_ENV, notSupportedAt, openAs, saidType, settled} from './coerce.ts';
import {arithmeticForm, type Form, joinForm} from './duck-forms.ts';
import type {ColumnScope, TypedExpr} from './expr.ts';
import {FUNCTIONS} from './functions.ts';
import {compileJson, JSON_TYPE} from './json.ts';
import {BIGINT, INT, isMoment, isNumeric, TEXT} from './numbers.ts';
import {type ArithmeticOperator, arithmetic} from './operators.ts';
import {bounded} from './text-limit.ts';

type Of<K extends Expr['kind']> = Extract<Expr, {kind: K}>;

export interface ChainStep {
  readonly left: TypedExpr;
  readonly right: TypedExpr;
  readonly type: DataType;
  readonly apply: (left: Value, right: Value) => Value;
  readonly form?: Form | undefined;
}

export function chainStep(node: Of<'binary'>, left: TypedExpr, right: TypedExpr, scope: ColumnScope): ChainStep {
  if (node.op === '->' || node.op === '->>' || node.op === '?') return compileJson(node.op, left, right, node, scope);
  const json = jsonStepOf(node.op, left, right, scope);
  if (json !== undefined) return json;
  if (node.op === '||') {
    const [a, b] = [settled(left, scope), settled(right, scope)];
    const [aType, bType] = [a.type, b.type];
    if (a.type.name === 'bytes' && b.type.name === 'bytes') {
      const apply = (x: Value, y: Value) => Buffer.concat([x as Uint8Array, y as Uint8Array]);
      return {left: a, right: b, type: a.type, apply, form: joinForm(aType, bType)};
    }
    const apply = (x: Value, y: Value) => bounded(valueText(aType, x) + valueText(bType, y));
    return {left: a, right: b, type: TEXT, apply, form: joinForm(aType, bType)};
  }
  const [a, b] = arithmeticPair(left, right, scope);
  const op = node.op as ArithmeticOperator;
  const operator = arithmetic(op, a.type, b.type);
  if (operator !== undefined) {
    const form = arithmeticForm(op, a.type, b.type, operator.type, b.constant?.value);
    return {left: a, right: b, ...operator, form};
  }
  if (op === '-' && isMoment(a.type) && isMoment(b.type))
    throw notSupportedAt(
      scope,
      node.start,
      "intervals as values, such as the time between two moments; EXTRACT(EPOCH FROM a - b) is its seconds, and a - b > INTERVAL '1 day' compares it",
    );
  throw failAt(scope, node, `operator does not exist: ${sqlName(a.type)} ${node.op} ${sqlName(b.type)}`);
}

/** `||` of two JSONs, where a string beside one is JSON too, and `-` of JSON: the functions that say the same. */
function jsonStepOf(op: BinaryOperator, left: TypedExpr, right: TypedExpr, scope: ColumnScope): ChainStep | undefined {
  const isJson = (side: TypedExpr, other: TypedExpr) => (side.open === undefined ? side : other).type.name === 'json';
  if (op === '-' && left.open === undefined && left.type.name === 'json') {
    const key = settled(right, scope);
    return {left, right: key, ...functionStep('JSONB_DELETE', [left.type, key.type])};
  }
  if (op !== '||' || (left.open !== undefined && right.open !== undefined)) return undefined;
  if (!isJson(left, right) || !isJson(right, left)) return undefined;
  const [a, b] = [implicitly(left, JSON_TYPE)!, implicitly(right, JSON_TYPE)!];
  return {left: a, right: b, ...functionStep('JSONB_CONCAT', [a.type, b.type])};
}

function functionStep(name: string, types: readonly DataType[]): Pick<ChainStep, 'type' | 'apply'> {
  const run = FUNCTIONS.get(name)!.eval;
  return {type: JSON_TYPE, apply: (a, b) => run([a, b], NO_ENV, types, JSON_TYPE)};
}

function arithmeticPair(left: TypedExpr, right: TypedExpr, scope: ColumnScope): [TypedExpr, TypedExpr] {
  const pick = (open: TypedExpr, other: TypedExpr): TypedExpr => {
    if (open.open === undefined) return open;
    const said = saidType(open, scope);
    const type =
      said !== undefined && isNumeric(said)
        ? said
        : other.open !== undefined
          ? BIGINT
          : other.type.name === 'date'
            ? INT
            : other.type;
    return openAs(open.open, type);
  };
  return [pick(left, right), pick(right, left)];
}
