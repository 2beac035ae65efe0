/**
 * Plan memo: a tree keeps the plan of its last run.
 *
 * Law: a plan is used again only for the same version of the same table life, and for parameters that say the same of their types.
 */
import {paramTypes} from '../expr/coerce.ts';
import type {DataType} from '../model/datatype.ts';
import type {Schema} from '../model/schema.ts';
import {sameType} from '../model/type-table.ts';
import type {PlanOptions} from '../query/plan.ts';
import type {StatementContext} from './define.ts';

interface Planned {
  readonly schema: Schema | undefined;
  readonly types: readonly (DataType | undefined)[];
  readonly plan: unknown;
}

const plans = new WeakMap<object, Planned>();

export function planOnce<Tree extends object, S extends Schema | undefined, Plan>(
  tree: Tree,
  schema: S,
  {params, text}: Pick<StatementContext, 'params' | 'text'>,
  make: (tree: Tree, schema: S, options: PlanOptions) => Plan,
): Plan {
  const types = paramTypes(params);
  const known = plans.get(tree);
  if (known !== undefined && known.schema === schema && areSame(known.types, types)) return known.plan as Plan;
  const plan = make(tree, schema, {text, paramTypes: types});
  plans.set(tree, {schema, types, plan});
  return plan;
}

function areSame(left: Planned['types'], right: Planned['types']): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    const [a, b] = [left[i], right[i]];
    if (a !== b && (a === undefined || b === undefined || !sameType(a, b))) return false;
  }
  return true;
}
