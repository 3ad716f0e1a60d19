import { isPartial, median, type TreeNode, type TreeShape } from './tree';

/** Return the consumers below a node. A consumer is a server with all its outlets, or a single power sensor. */
export function consumersBelow(shape: TreeShape, id: string): string[] {
  const children = shape.children(id);
  const isServer =
    children.length > 0 && shape.sensorNoun(id) === 'outlets' && children.every((c) => shape.children(c).length === 0);
  return children.length === 0 || isServer ? [id] : children.flatMap((c) => consumersBelow(shape, c));
}

/**
 * Return the nodes to which a ranking can be limited: the root first, down to `maxDepth` levels, each with several
 * consumers.
 */
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

/**
 * A range that begins before the first reading has the same coverage everywhere. It is stated once, not on every row.
 */
const COVERAGE_TOLERANCE = 0.01;

export interface RankedConsumer {
  readonly node: TreeNode;
  /** Name of its parent. */
  readonly place: string;
  /** Share of everything ranked, 0 to 1. */
  readonly part: number;
  /** True if its coverage is lower than usual in this ranking. */
  readonly partial: boolean;
}

/** Return the consumers below a node, largest first. Those without a value come last. */
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
