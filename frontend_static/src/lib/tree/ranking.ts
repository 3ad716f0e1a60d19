import { isPartial, median, type TreeNode, type TreeShape } from './tree';

/** What can be told apart as one consumer: a server with all its plugs, or a meter that stands alone. */
export function unitsBelow(shape: TreeShape, id: string): string[] {
  const children = shape.children(id);
  const plugged =
    children.length > 0 && shape.meterWord(id) === 'plugs' && children.every((c) => shape.children(c).length === 0);
  return children.length === 0 || plugged ? [id] : children.flatMap((c) => unitsBelow(shape, c));
}

/** Nodes that hold several units, the whole first, down to `deepest` levels below it: what a ranking can be narrowed to. */
export function rankable(shape: TreeShape, deepest = 2): string[] {
  const found: string[] = [];
  const visit = (id: string, depth: number): void => {
    if (unitsBelow(shape, id).length < 2) return;
    found.push(id);
    if (depth < deepest) for (const child of shape.children(id)) visit(child, depth + 1);
  };
  if (shape.root !== undefined) visit(shape.root, 0);
  return found;
}

/** A range that began before the readings lacks the same share of everything; that is said once, not on every row. */
const UNUSUAL = 0.01;

export interface Ranked {
  readonly node: TreeNode;
  /** Name of its parent. */
  readonly place: string;
  /** Of all that is ranked, 0 to 1. */
  readonly part: number;
  /** Less of it is measured than of the others. */
  readonly partial: boolean;
}

/** The units below a node, the greatest first; those without a value last. */
export function ranking(shape: TreeShape, nodes: ReadonlyMap<string, TreeNode>, below: string): Ranked[] {
  const units = unitsBelow(shape, below).flatMap((id) => nodes.get(id) ?? []);
  const usual = median(units.map((n) => n.coverage));
  const whole = units.reduce((sum, n) => sum + Math.max(0, n.amount ?? 0), 0);
  return [...units]
    .sort((a, b) => (b.amount ?? -Infinity) - (a.amount ?? -Infinity))
    .map((node) => ({
      node,
      place: nodes.get(node.parent ?? '')?.name ?? '',
      part: whole > 0 ? Math.max(0, node.amount ?? 0) / whole : 0,
      partial: isPartial(node) && (node.sensorsReporting !== null || node.coverage < usual - UNUSUAL),
    }));
}
