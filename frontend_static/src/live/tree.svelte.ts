import { untrack } from 'svelte';
import { type ApiError, runQuery, subscribe } from '../api/client';
import { type EnergyTreeData, TreeAt, type TreeKind, TreeLive, TreeEnergy } from '../api/energy';
import { connection } from './connection.svelte';
import type { Span } from '../lib/format/time';
import { toIso } from '../lib/format/time';
import { shapeKey, type TreeNode, TreeShape } from '../lib/tree/tree';
import { throttleToFrames } from './frames';

/** A frozen copy of a tree. Order and grouping follow it, so that live values do not reorder the view. */
export interface TreeSnapshot {
  readonly shape: TreeShape;
  readonly amount: (id: string) => number | null;
}

/** One energy tree with the amounts of its nodes: in W at a moment, in Wh over a range. */
export class Tree {
  #nodes = $state.raw<readonly TreeNode[] | null>(null);
  #byId = $derived(new Map(this.nodes.map((n) => [n.id, n])));
  #key = $derived(`${shapeKey(this.nodes)} ${this.root?.amount != null}`);
  #snapshot = $derived.by((): TreeSnapshot => {
    void this.#key;
    return snapshotOf(untrack(() => this.nodes));
  });

  /** Parents come before their children. Empty until data has arrived. */
  get nodes(): readonly TreeNode[] {
    return this.#nodes ?? [];
  }

  get ready(): boolean {
    return this.#nodes !== null;
  }

  get byId(): ReadonlyMap<string, TreeNode> {
    return this.#byId;
  }

  get root(): TreeNode | undefined {
    return this.nodes.find((n) => n.parent === null);
  }

  /** The tree's shape, with its amounts when that shape first appeared. */
  get snapshot(): TreeSnapshot {
    return this.#snapshot;
  }

  setNodes(nodes: readonly TreeNode[]): void {
    this.#nodes = nodes;
  }
}

/** The tree as it is now. `watch()` keeps it up to date until the returned function is called. */
export class LiveTree extends Tree {
  #error = $state.raw<ApiError | null>(null);

  constructor(readonly kind: TreeKind) {
    super();
  }

  get error(): ApiError | null {
    return this.#error;
  }

  /** Take a tree that came with a page's first answer. */
  seed(tree: EnergyTreeData): void {
    this.setNodes(toNodes(tree));
    this.#error = null;
    connection.noteData(Date.parse(tree.at));
  }

  watch(): () => void {
    let newest: EnergyTreeData | undefined;
    const frame = throttleToFrames(() => newest && this.seed(newest));
    const stop = subscribe(
      TreeLive,
      { tree: this.kind },
      (data) => {
        newest = data.energyTree;
        frame.schedule();
      },
      (error) => (this.#error = error),
    );
    return () => {
      frame.cancel();
      stop();
    };
  }
}

/** A tree of the past, and the span that its figures describe. */
export interface PastTree {
  readonly nodes: readonly TreeNode[];
  readonly snapshot: TreeSnapshot;
  readonly span: Span;
}

export async function loadTreeAt(tree: TreeKind, at: number): Promise<PastTree> {
  const { energyTree } = await runQuery(TreeAt, { tree, at: toIso(at) });
  const start = Date.parse(energyTree.at);
  return toPastTree(toNodes(energyTree), { from: start, to: start });
}

/** Load a tree's energy over a span. The server's kWh become Wh, because prefixes are added at display. */
export async function loadTreeEnergy(tree: TreeKind, span: Span): Promise<PastTree> {
  const { energyTreeOver: over } = await runQuery(TreeEnergy, { tree, from: toIso(span.from), to: toIso(span.to) });
  const nodes = over.nodes.map((n): TreeNode => ({
    ...n,
    amount: n.kwh === null ? null : n.kwh * 1_000,
    sensorsReporting: null,
  }));
  return toPastTree(nodes, { from: Date.parse(over.from), to: Date.parse(over.until) });
}

const toNodes = (tree: EnergyTreeData): readonly TreeNode[] =>
  tree.nodes.map((n): TreeNode => ({ ...n, amount: n.watts }));

const toPastTree = (nodes: readonly TreeNode[], span: Span): PastTree => ({ nodes, snapshot: snapshotOf(nodes), span });

function snapshotOf(nodes: readonly TreeNode[]): TreeSnapshot {
  const amounts = new Map(nodes.map((n) => [n.id, n.amount]));
  return { shape: new TreeShape(nodes), amount: (id) => amounts.get(id) ?? null };
}
