/** Steady: whether an expression has one value for all rows of an execution, so that it can be computed before any row is read. */
import type {Expr} from '../parser/ast.ts';
import {CHOICES} from './calls.ts';
import {FUNCTIONS, type FunctionFacts} from './functions.ts';
import {someExpr, WIDER_NAMES} from './walk.ts';

export function isSteady(expr: Expr): boolean {
  return !someExpr([expr], part => {
    // Choices are as steady as their arguments.
    if (part.kind === 'call') return !Object.hasOwn(CHOICES, part.name) && isPerRow(FUNCTIONS.get(part.name));
    return part.kind === 'column' || part.kind in WIDER_NAMES;
  });
}

/** An unknown function is an aggregate. */
function isPerRow(facts: FunctionFacts | undefined): boolean {
  return facts === undefined || facts.changes === 'row';
}
