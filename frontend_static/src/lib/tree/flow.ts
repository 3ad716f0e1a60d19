import { sankey, sankeyLeft } from 'd3-sankey';
import { formatCount } from '../format/format';
import { sortByAmount, isPartial, coverageText, sumNodes, type TreeNode, TreeShape } from './tree';

export type Hue = 'consumption' | 'production' | 'other';

/** A block of the flow. `amount` is null if nothing below it reports. */
export interface FlowNode {
  readonly id: string;
  readonly label: string;
  readonly amount: number | null;
  readonly hue: Hue;
  /** The reason for a partial figure: "14 of 16 meters". Null for a complete one. */
  readonly partial: string | null;
  /** True if its children are shown, false if they are hidden, null if it has none. */
  readonly open: boolean | null;
  /** True if it can be added to the chart. */
  readonly selectable: boolean;
}

export interface FlowLink {
  readonly source: string;
  readonly target: string;
  readonly amount: number;
}

export interface FlowGraph {
  readonly nodes: readonly FlowNode[];
  readonly links: readonly FlowLink[];
}

export interface PlacedNode extends FlowNode {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedLink extends FlowLink {
  readonly path: string;
  readonly hue: Hue;
  readonly partial: boolean;
}

export interface FlowLayout {
  readonly nodes: readonly PlacedNode[];
  readonly links: readonly PlacedLink[];
}

/** The blocks of a flow in display order. They come from a snapshot, so that live values do not reorder them. */
export interface FlowPlan {
  /** Parents come first. `members` are the nodes summed up in a block: one node, or the small ones of a group. */
  readonly blocks: readonly { id: string; parent: string | null; members: readonly string[]; group: boolean }[];
}

export const GROUP_PREFIX = 'other:';

/** Select the blocks to show: children of open nodes. Those below `smallest` form one group unless it is open too. */
export function planFlow(
  shape: TreeShape,
  open: ReadonlySet<string>,
  amount: (id: string) => number | null,
  smallest: number,
): FlowPlan {
  const blocks: { id: string; parent: string | null; members: string[]; group: boolean }[] = [];
  const visit = (id: string, parent: string | null): void => {
    blocks.push({ id, parent, members: [id], group: false });
    if (!open.has(id)) return;
    const children = sortByAmount(shape.children(id), amount);
    const small = open.has(GROUP_PREFIX + id)
      ? []
      : children.filter((c) => (amount(c) ?? 0) < smallest && !open.has(c));
    const grouped = new Set(small.length > 1 ? small : []);
    for (const child of children) if (!grouped.has(child)) visit(child, id);
    if (grouped.size > 0) blocks.push({ id: GROUP_PREFIX + id, parent: id, members: [...grouped], group: true });
  };
  if (shape.root !== undefined) visit(shape.root, null);
  return { blocks };
}

/** Return the planned blocks with the present amounts. */
export function flowGraph(
  plan: FlowPlan,
  shape: TreeShape,
  open: ReadonlySet<string>,
  nodes: ReadonlyMap<string, TreeNode>,
  hue: Hue,
): FlowGraph {
  const flowNodes: FlowNode[] = [];
  const links: FlowLink[] = [];
  for (const block of plan.blocks) {
    const members = block.members.map((id) => nodes.get(id)).filter((n) => n !== undefined);
    const first = members[0];
    if (first === undefined) continue;
    const sum = sumNodes(members);
    flowNodes.push({
      id: block.id,
      label: block.group ? formatCount(members.length, 'other') : first.name,
      amount: sum.amount,
      hue,
      partial: isPartial(sum) ? coverageText(sum, shape.sensorNoun(block.members[0] ?? '')) : null,
      open: block.group ? false : shape.children(block.id).length > 0 ? open.has(block.id) : null,
      selectable: !block.group,
    });
    if (block.parent !== null)
      links.push({ source: block.parent, target: block.id, amount: Math.max(0, sum.amount ?? 0) });
  }
  return { nodes: flowNodes, links };
}

/** Add the sources on the left: own production, and the grid for the rest. */
export function addSources(uses: FlowGraph, production: readonly TreeNode[]): FlowGraph {
  const centre = uses.nodes[0];
  if (centre === undefined) return uses;
  const shape = new TreeShape(production);
  const whole = production.find((n) => n.id === shape.root)?.amount ?? 0;
  const drawn = centre.amount ?? 0;
  // If production exceeds consumption, the surplus leaves elsewhere. The sources then share the consumption.
  const used = whole > drawn && whole > 0 ? drawn / whole : 1;
  const sources = production.filter((n) => n.parent === shape.root);
  const flowNodes = sources.map((n): FlowNode => ({
    id: `production/${n.id}`,
    label: n.name,
    amount: n.amount,
    hue: 'production',
    partial: isPartial(n) ? coverageText(n, shape.sensorNoun(n.id)) : null,
    open: null,
    selectable: false,
  }));
  const grid: FlowNode = {
    id: 'grid',
    label: 'Grid',
    amount: Math.max(0, drawn - whole),
    hue: 'other',
    partial: null,
    open: null,
    selectable: false,
  };
  return {
    nodes: [...flowNodes, grid, ...uses.nodes],
    links: [
      ...flowNodes.map((n) => ({ source: n.id, target: centre.id, amount: Math.max(0, n.amount ?? 0) * used })),
      { source: grid.id, target: centre.id, amount: grid.amount ?? 0 },
      ...uses.links,
    ],
  };
}

export interface Box {
  readonly width: number;
  readonly height: number;
  /** Pixels reserved on the right for the labels of the last column. */
  readonly labels: number;
  /** Pixels between blocks of a column: at least one line of text. */
  readonly padding: number;
  readonly bar: number;
}

/** Mean width of a character of a label, and the space around a label, in pixels. */
const LABEL_PX = { character: 5.7, around: 26 };
/** Maximum share of the diagram's width for the labels of the last column. */
const MAX_LABEL_SHARE = 0.45;

/** Return the pixels for the labels of the last column, so that its longest name is shown whole. */
export function labelSpace(graph: FlowGraph, width: number): number {
  const depths = new Map<string, number>();
  // Links are listed from the sources to the last column.
  for (const { source, target } of graph.links)
    depths.set(target, Math.max(depths.get(target) ?? 0, (depths.get(source) ?? 0) + 1));
  const last = Math.max(0, ...depths.values());
  const names = graph.nodes.filter((n) => (depths.get(n.id) ?? 0) === last).map((n) => n.label.length);
  return Math.min(width * MAX_LABEL_SHARE, Math.max(0, ...names) * LABEL_PX.character + LABEL_PX.around);
}

/** Minimum sizes in pixels that are still visible. */
const MIN_BAR_PX = 1.5;
const MIN_HALF_WIDTH_PX = 0.5;

/** Return the positions of all blocks and links. Widths are amounts; the given order is kept. */
export function layoutFlow(graph: FlowGraph, box: Box): FlowLayout {
  if (graph.nodes.length === 0 || box.width < 80) return { nodes: [], links: [] };
  if (graph.links.length === 0) {
    // d3-sankey has no position for a column without links.
    const alone = { x: 0, y: box.padding / 2, width: box.bar, height: box.height - box.padding };
    return { nodes: graph.nodes.slice(0, 1).map((n) => ({ ...n, ...alone })), links: [] };
  }
  interface N {
    id: string;
    index: number;
  }
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const total = Math.max(1e-9, ...graph.nodes.map((n) => n.amount ?? 0));
  const layout = sankey<N, object>()
    .nodeId((n) => n.id)
    .nodeAlign(sankeyLeft)
    .nodeWidth(box.bar)
    .nodePadding(box.padding)
    .nodeSort((a, b) => a.index - b.index)
    .linkSort(null)
    .iterations(24)
    .extent([
      [0, box.padding / 2],
      [Math.max(box.bar + 1, box.width - box.labels), box.height - box.padding / 2],
    ]);
  const placed = layout({
    nodes: graph.nodes.map((n, index) => ({ id: n.id, index })),
    // A link of zero still needs a position, so it gets a tiny value.
    links: graph.links.map((l) => ({ source: l.source, target: l.target, value: Math.max(l.amount, total * 1e-4) })),
  });
  // If nothing flows, d3-sankey still divides the height. Bars and bands are then lines in the middle of their places.
  const flows = graph.nodes.some((n) => (n.amount ?? 0) > 0);
  const middle = (n: { y0?: number | undefined; y1?: number | undefined }): number => ((n.y0 ?? 0) + (n.y1 ?? 0)) / 2;
  const nodes = placed.nodes.map((n): PlacedNode => {
    const { x0 = 0, x1 = 0, y0 = 0, y1 = 0 } = n;
    const height = flows ? Math.max(MIN_BAR_PX, y1 - y0) : MIN_BAR_PX;
    return { ...(byId.get(n.id) as FlowNode), x: x0, y: flows ? y0 : middle(n) - height / 2, width: x1 - x0, height };
  });
  const links = placed.links.map((l, i): PlacedLink => {
    const source = l.source as typeof l.source & { x1?: number; y0?: number; y1?: number; id: string };
    const target = l.target as typeof l.target & { x0?: number; y0?: number; y1?: number; id: string };
    const half = flows ? Math.max(MIN_HALF_WIDTH_PX, (l.width ?? 0) / 2) : MIN_HALF_WIDTH_PX;
    const [startY, endY] = flows ? [l.y0 ?? 0, l.y1 ?? 0] : [middle(source), middle(target)];
    const from = byId.get(source.id) as FlowNode;
    const to = byId.get(target.id) as FlowNode;
    return {
      ...(graph.links[i] as FlowLink),
      path: ribbon(source.x1 ?? 0, startY, target.x0 ?? 0, endY, half),
      hue: from.hue === 'consumption' ? to.hue : from.hue,
      partial: to.partial !== null && (from.hue === 'consumption') === (to.hue === 'consumption'),
    };
  });
  return { nodes, links };
}

/** Return the path of a band of constant width between two heights. */
function ribbon(x0: number, y0: number, x1: number, y1: number, half: number): string {
  const m = (x0 + x1) / 2;
  const f = (v: number) => v.toFixed(1);
  return (
    `M${f(x0)},${f(y0 - half)}C${f(m)},${f(y0 - half)} ${f(m)},${f(y1 - half)} ${f(x1)},${f(y1 - half)}` +
    `V${f(y1 + half)}C${f(m)},${f(y1 + half)} ${f(m)},${f(y0 + half)} ${f(x0)},${f(y0 + half)}Z`
  );
}

/** Return the number of rows: blocks with nothing to their right. */
export function countRows(plan: FlowPlan): number {
  const parents = new Set(plan.blocks.map((b) => b.parent));
  return plan.blocks.filter((b) => !parents.has(b.id)).length;
}
