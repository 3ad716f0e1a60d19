import { formatPercent } from '../format/format';

/** A node of an energy tree. `amount` is in W at a moment, in Wh over a range; null if nothing below it reports. */
export interface TreeNode {
  readonly id: string;
  readonly name: string;
  readonly parent: string | null;
  readonly target: string | null;
  readonly amount: number | null;
  /** Measured share, 0 to 1. */
  readonly coverage: number;
  readonly sensorsExpected: number;
  /** Null over a range, because sensors report at different times. */
  readonly sensorsReporting: number | null;
}

const OUTLET = /_pdu-/;

/** The structure of a tree without its amounts. It changes only with the site description. */
export class TreeShape {
  readonly #children = new Map<string, string[]>();
  readonly #parent = new Map<string, string | null>();
  readonly #withOtherSensors = new Set<string>();
  readonly root: string | undefined;

  constructor(nodes: readonly Pick<TreeNode, 'id' | 'parent' | 'target'>[]) {
    for (const node of nodes) {
      this.#parent.set(node.id, node.parent);
      if (node.parent === null) this.root ??= node.id;
      else this.#children.set(node.parent, [...(this.#children.get(node.parent) ?? []), node.id]);
    }
    for (const { id, target } of nodes) {
      if (target === null || OUTLET.test(target)) continue;
      for (let at: string | null = id; at !== null; at = this.parent(at)) this.#withOtherSensors.add(at);
    }
  }

  /** Return the noun for the sensors below a node: outlets if all of them are PDU outlets, else power sensors. */
  sensorNoun(id: string): string {
    return this.#withOtherSensors.has(id) ? 'power sensors' : 'outlets';
  }

  has(id: string): boolean {
    return this.#parent.has(id);
  }

  children(id: string): readonly string[] {
    return this.#children.get(id) ?? [];
  }

  parent(id: string): string | null {
    return this.#parent.get(id) ?? null;
  }

  /** Return the ids from the root down to the node's parent. */
  ancestors(id: string): string[] {
    const path: string[] = [];
    for (let at = this.parent(id); at !== null; at = this.parent(at)) path.unshift(at);
    return path;
  }
}

/** Return a key that is equal for equal structures. */
export function shapeKey(nodes: readonly Pick<TreeNode, 'id' | 'parent'>[]): string {
  return nodes.map((n) => `${n.id}<${n.parent ?? ''}`).join('|');
}

/** Shares of the whole below which a flow may be grouped, tried in turn. */
const GROUP_SHARES = [0.01, 0.015, 0.02, 0.03];
/** Grouping must keep at least this share of a level's amount visible. */
const MIN_VISIBLE_SHARE = 0.5;

export interface Opening {
  readonly open: Set<string>;
  /** Flows below this amount are grouped; -Infinity for no grouping. */
  readonly smallest: number;
}

/**
 * Select the nodes to open so that about `maxRows` rows are visible, at most `maxDepth` levels deep.
 *
 * It opens level by level and groups small flows where that makes one more level fit. A node below `minShare` of the
 * whole stays closed, and so does one whose children would all be grouped.
 */
export function openToFit(
  shape: TreeShape,
  amount: (id: string) => number | null,
  maxRows: number,
  maxDepth = Infinity,
  minShare = 0,
): Opening {
  const opening = { open: new Set<string>(), smallest: -Infinity };
  if (shape.root === undefined) return opening;
  const whole = amount(shape.root) ?? 0;
  // If the whole is not above zero, such as a battery that charges at night, no share is small.
  const shareOfWhole = (part: number): number => (whole > 0 ? part * whole : -Infinity);
  const size = (id: string): number => amount(id) ?? 0;
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, n) => all + n, 0);
  let rows = 1;
  let level = [shape.root];
  for (let depth = 0; depth < maxDepth; depth += 1) {
    const inner = level.filter((id) => size(id) >= shareOfWhole(minShare) && shape.children(id).length > 0);
    const choices = GROUP_SHARES.map((part) => {
      const smallest = shareOfWhole(part);
      const openedIds = inner.filter((id) => shape.children(id).some((c) => size(c) >= smallest));
      const shown = openedIds.map((id) => countVisible(shape.children(id), amount, smallest));
      const more = sum(shown.map((s) => s.rows - 1));
      return {
        smallest,
        openedIds,
        more,
        enough: sum(shown.map((s) => s.amount)) >= sum(openedIds.map(size)) * MIN_VISIBLE_SHARE,
      };
    });
    const fits = choices.find((c) => c.smallest >= opening.smallest && rows + c.more <= maxRows && c.enough);
    // The root opens even if there is little room.
    const choice = fits ?? (depth === 0 ? choices[0] : undefined);
    if (choice === undefined || choice.openedIds.length === 0) break;
    for (const id of choice.openedIds) opening.open.add(id);
    opening.smallest = choice.smallest;
    rows += choice.more;
    level = choice.openedIds.flatMap((id) => shape.children(id).filter((c) => size(c) >= choice.smallest));
  }
  return opening;
}

/** Return the rows of siblings when the small ones share one, and the amount that is not grouped. */
function countVisible(
  ids: readonly string[],
  amount: (id: string) => number | null,
  smallest: number,
): { rows: number; amount: number } {
  const large = ids.filter((id) => (amount(id) ?? 0) >= smallest);
  const grouped = ids.length - large.length > 1;
  const visible = grouped ? large : ids;
  return { rows: visible.length + (grouped ? 1 : 0), amount: visible.reduce((sum, id) => sum + (amount(id) ?? 0), 0) };
}

/** Sort children by amount, largest first, silent ones last. Ties keep the order of the description. */
export function sortByAmount(ids: readonly string[], amount: (id: string) => number | null): string[] {
  return [...ids].sort((a, b) => (amount(b) ?? -1) - (amount(a) ?? -1));
}

/** Return "14 of 16 outlets", or "93 % coverage" over a range, for a partial sum. */
export function coverageText(node: Counts, noun: string): string {
  return node.sensorsReporting === null
    ? `${formatPercent(node.coverage)} coverage`
    : `${node.sensorsReporting} of ${node.sensorsExpected} ${noun}`;
}

export type Counts = Pick<TreeNode, 'coverage' | 'sensorsExpected' | 'sensorsReporting'>;

/** Coverage above this counts as complete: over a range, a few lost readings do not change the figure. */
const FULL_COVERAGE = 0.995;

export function isPartial(node: Counts): boolean {
  return node.sensorsReporting === null ? node.coverage < FULL_COVERAGE : node.sensorsReporting < node.sensorsExpected;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 1;
}

/** Return the sum of several nodes. */
export function sumNodes(nodes: readonly TreeNode[]): Counts & { amount: number | null } {
  const sum = (of: (n: TreeNode) => number): number => nodes.reduce((total, n) => total + of(n), 0);
  const sensorsExpected = sum((n) => n.sensorsExpected);
  return {
    amount: nodes.some((n) => n.amount !== null) ? sum((n) => n.amount ?? 0) : null,
    coverage: sensorsExpected > 0 ? sum((n) => n.coverage * n.sensorsExpected) / sensorsExpected : 1,
    sensorsExpected,
    sensorsReporting: nodes.some((n) => n.sensorsReporting === null) ? null : sum((n) => n.sensorsReporting ?? 0),
  };
}
