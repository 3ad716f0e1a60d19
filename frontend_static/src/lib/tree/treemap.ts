import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';
import type { FlowPlan } from './flow';
import { isPartial, coverageText, sumNodes, type TreeNode, type TreeShape } from './tree';
import { formatCount } from '../format/format';

/** A rectangle whose area is its amount. An open one holds its children below its name. */
export interface Tile {
  readonly id: string;
  readonly label: string;
  readonly amount: number | null;
  readonly partial: string | null;
  readonly depth: number;
  /** True if its children are shown, false if they are hidden, null if it has none. */
  readonly open: boolean | null;
  readonly selectable: boolean;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Height of the line with an open tile's name, in pixels. */
export const HEADER_PX = 25;

interface Block {
  readonly id: string;
  readonly group: boolean;
  readonly members: readonly TreeNode[];
  readonly children: readonly Block[];
}

/** Return the planned blocks as tiles in a box, parents first. Blocks of zero have no area and are left out. */
export function layoutTiles(
  plan: FlowPlan,
  shape: TreeShape,
  open: ReadonlySet<string>,
  nodes: ReadonlyMap<string, TreeNode>,
  box: { width: number; height: number },
): Tile[] {
  const childrenOf = new Map<string | null, FlowPlan['blocks'][number][]>();
  for (const block of plan.blocks) childrenOf.set(block.parent, [...(childrenOf.get(block.parent) ?? []), block]);
  const toBlock = (block: FlowPlan['blocks'][number]): Block => ({
    id: block.id,
    group: block.group,
    members: block.members.flatMap((id) => nodes.get(id) ?? []),
    children: block.group ? [] : (childrenOf.get(block.id) ?? []).map(toBlock),
  });
  const top = childrenOf.get(null)?.[0];
  if (top === undefined || box.width < 40 || box.height < 40) return [];
  const root = hierarchy<Block>(toBlock(top), (b) => b.children);
  root.sum((b) => (b.children.length > 0 ? 0 : Math.max(0, sumNodes(b.members).amount ?? 0)));
  const placed = treemap<Block>()
    .tile(treemapSquarify.ratio(1.4))
    .size([box.width, box.height])
    .paddingInner(2)
    .paddingOuter(2)
    .paddingTop((n) => (n.children ? HEADER_PX : 0))(root);
  return placed.descendants().flatMap((n): Tile[] => {
    const [width, height] = [n.x1 - n.x0, n.y1 - n.y0];
    const first = n.data.members[0];
    if (first === undefined || !(width >= 1 && height >= 1)) return [];
    const sum = sumNodes(n.data.members);
    const inner = shape.children(n.data.id).length > 0;
    return [
      {
        id: n.data.id,
        label: n.data.group ? formatCount(n.data.members.length, 'other') : first.name,
        amount: sum.amount,
        partial: isPartial(sum) ? coverageText(sum, shape.sensorNoun(first.id)) : null,
        depth: n.depth,
        open: n.data.group ? false : inner ? open.has(n.data.id) : null,
        selectable: !n.data.group,
        x: n.x0,
        y: n.y0,
        width,
        height,
      },
    ];
  });
}
