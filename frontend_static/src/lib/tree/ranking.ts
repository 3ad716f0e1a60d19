import { isPartial, median, type TreeNode, type TreeShape } from './tree';

/** What can be told apart as one consumer: a server with all its plugs, or a meter that stands alone. */
export function consumersBelow(shape: TreeShape, id: string): string[] {
  const children = shape.children(id);
  const plugged =
    children.length > 0 && shape.meterNoun(id) === 'plugs' && children.every((c) => shape.children(c).length === 0);
  return children.length === 0 || plugged ? [id] : children.flatMap((c) => consumersBelow(shape, c));
}

/** Nodes that hold several consumers, the whole first, down to `maxDepth` levels below it: what a ranking can be narrowed to. */
export function rankableNodes(shape: TreeShape, maxDepth = 2): string[] {
  const nodes: string[] = [];
  const visit = (id: string, depth: number): void => {
    if (consumersBelow(shape, id).length < 2) return;
    nodes.push(id);
    if (depth < maxDepth) for (const child of shape.children(id)) visit(child, depth + 1);
  };
  if (shape.root !== undefined) visit(shape.root, 0);
  return nodes;
}

/** A range that began before the readings lacks the same share of everything; that is said once, not on every row. */
const COVERAGE_TOLERANCE = 0.01;

export interface RankedConsumer {
  readonly node: TreeNode;
  /** Name of its parent. */
  readonly place: string;
  /** Of all that is ranked, 0 to 1. */
  readonly part: number;
  /** Less of it is measured than of the others. */
  readonly partial: boolean;
}

/** The consumers below a node, the greatest first; those without a value last. */
export function rankConsumers(shape: TreeShape, nodes: ReadonlyMap<string, TreeNode>, below: string): RankedConsumer[] {
  const consumers = consumersBelow(shape, below).flatMap((id) => nodes.get(id) ?? []);
  const medianCoverage = median(consumers.map((n) => n.coverage));
  const whole = consumers.reduce((sum, n) => sum + Math.max(0, n.amount ?? 0), 0);
  return [...consumers]
    .sort((a, b) => (b.amount ?? -Infinity) - (a.amount ?? -Infinity))
    .map((node) => ({
      node,
      place: nodes.get(node.parent ?? '')?.name ?? '',
      part: whole > 0 ? Math.max(0, node.amount ?? 0) / whole : 0,
      partial:
        isPartial(node) && (node.sensorsReporting !== null || node.coverage < medianCoverage - COVERAGE_TOLERANCE),
    }));
}
