/** Steady: whether an expression has one value for all rows of an execution, so that it can be computed before any row is read. */
import type {Expr} from '../parser/ast.ts';
import {FUNCTIONS, type FunctionFacts} from './functions.ts';
import {someExpr, WIDER_NAMES} from './walk.ts';

/** Compiled by calls.ts itself, and as steady as their arguments. */
const CHOICES: ReadonlySet<string> = new Set(['COALESCE', 'NULLIF', 'IFNULL', 'NVL', 'GREATEST', 'LEAST']);

export function isSteady(expr: Expr): boolean {
  return !someExpr([expr], part => {
    if (part.kind === 'call') return !CHOICES.has(part.name) && isPerRow(FUNCTIONS.get(part.name));
    return part.kind === 'column' || part.kind in WIDER_NAMES;
  });
}

/** An unknown function is an aggregate. */
function isPerRow(facts: FunctionFacts | undefined): boolean {
  return facts === undefined || facts.changes === 'row';
}
