/** Resolved key: when two expressions of a query are one. */
import type {ColumnScope, Source} from '../expr/expr.ts';
import {resolveColumn} from '../expr/sources.ts';
import type {Expr} from '../parser/ast.ts';

const sourceIds = new WeakMap<Source, number>();
let lastSourceId = 0;

/** Text under which two expressions of a query are the same expression: columns by what they mean, not by how they are written. */
export function resolvedKey(expr: Expr, scope: ColumnScope): string {
  return JSON.stringify(expr, (name, value) => {
    if (name === 'start' || name === 'end') return undefined;
    if (value === null || typeof value !== 'object' || value.kind !== 'column') return value;
    const found = resolveColumn(value.qualifier, value.column, value, scope);
    if (found === undefined) return value;
    if (!sourceIds.has(found.source)) sourceIds.set(found.source, ++lastSourceId);
    return {kind: 'column', source: sourceIds.get(found.source), index: found.column.index};
  });
}
