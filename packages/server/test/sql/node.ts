/** Nodes: generated expressions as trees, so that a failing query can be made smaller. */
import type {Param} from '../../src/expr/expr.ts';
import type {TypeName} from './world.ts';

export interface Node {
  readonly type: TypeName;
  /** SQL with `#0`, `#1` … for the parts. */
  readonly form: string;
  readonly parts: readonly Node[];
  /** An error for some values: then only whether it is an error may depend on what is evaluated. */
  readonly mayFail?: boolean;
  /** Depends on the order in which doubles are added. */
  readonly isApproximate?: boolean;
  /** A parameter in place of the form. */
  readonly param?: Param;
}

export function node(type: TypeName, form: string, parts: readonly Node[] = [], mayFail = false): Node {
  return {type, form, parts, mayFail};
}

export function render(root: Node, params: Param[]): string {
  if (root.param !== undefined) return `$${params.push(root.param)}`;
  return root.form.replace(/#(\d)/g, (_, index) => render(root.parts[Number(index)]!, params));
}

export function some(root: Node, test: (node: Node) => boolean): boolean {
  return test(root) || root.parts.some(part => some(part, test));
}

/** The same tree with one node replaced, in every way that makes it smaller. */
export function* smaller(root: Node): Generator<Node> {
  for (const part of root.parts) if (part.type === root.type) yield part;
  if (root.param !== undefined || root.parts.length > 0) yield node(root.type, 'NULL');
  for (const [i, part] of root.parts.entries()) {
    for (const less of smaller(part)) yield {...root, parts: root.parts.with(i, less)};
  }
}
