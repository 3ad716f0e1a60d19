import { untrack } from 'svelte';
import { type ApiError, ask, watch } from '../api/client';
import { type EnergyTreeData, TreeAt, type TreeKind, TreeLive, TreeOver } from '../api/energy';
import { connection } from './connection.svelte';
import type { Span } from '../lib/format/time';
import { stamp } from '../lib/format/time';
import { shapeKey, type TreeNode, TreeShape } from '../lib/tree/tree';
import { oncePerFrame } from './frames';

/** A still picture of a tree: order and grouping follow it, so that live values do not shuffle what is being read. */
export interface TreePicture {
  readonly shape: TreeShape;
  readonly amount: (id: string) => number | null;
}

/** One energy tree with the amounts of its nodes: in W of a moment, in Wh over a range. */
export class Tree {
  #nodes = $state.raw<readonly TreeNode[] | null>(null);
  #byId = $derived(new Map(this.nodes.map((n) => [n.id, n])));
  #key = $derived(`${shapeKey(this.nodes)} ${this.root?.amount != null}`);
  #picture = $derived.by((): TreePicture => {
    void this.#key;
    return pictureOf(untrack(() => this.nodes));
  });

  /** Parents stand before their children; empty until something arrived. */
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

  /** The tree's shape, and its amounts when that shape was first seen. */
  get picture(): TreePicture {
    return this.#picture;
  }

  show(nodes: readonly TreeNode[]): void {
    this.#nodes = nodes;
  }
}

/** The tree as it is now. `watch()` keeps it moving until the function it returns is called. */
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
    this.show(momentOf(tree));
    this.#error = null;
    connection.fresh(Date.parse(tree.at));
  }

  watch(): () => void {
    let newest: EnergyTreeData | undefined;
    const frame = oncePerFrame(() => newest && this.seed(newest));
    const stop = watch(
      TreeLive,
      { tree: this.kind },
      (data) => {
        newest = data.energyTree;
        frame.ask();
      },
      (error) => (this.#error = error),
    );
    return () => {
      frame.cancel();
      stop();
    };
  }
}

/** A tree of the past, and what its figures stand for. */
export interface PastTree {
  readonly nodes: readonly TreeNode[];
  readonly picture: TreePicture;
  readonly span: Span;
}

export async function treeAt(tree: TreeKind, at: number): Promise<PastTree> {
  const { energyTree } = await ask(TreeAt, { tree, at: stamp(at) });
  const start = Date.parse(energyTree.at);
  return past(momentOf(energyTree), { from: start, to: start });
}

/** kWh of the server, as Wh: prefixes are chosen where they are shown. */
export async function treeOver(tree: TreeKind, span: Span): Promise<PastTree> {
  const { energyTreeOver: over } = await ask(TreeOver, { tree, from: stamp(span.from), to: stamp(span.to) });
  const nodes = over.nodes.map((n): TreeNode => ({
    ...n,
    amount: n.kwh === null ? null : n.kwh * 1_000,
    sensorsReporting: null,
  }));
  return past(nodes, { from: Date.parse(over.from), to: Date.parse(over.until) });
}

const momentOf = (tree: EnergyTreeData): readonly TreeNode[] =>
  tree.nodes.map((n): TreeNode => ({ ...n, amount: n.watts }));

const past = (nodes: readonly TreeNode[], span: Span): PastTree => ({ nodes, picture: pictureOf(nodes), span });

function pictureOf(nodes: readonly TreeNode[]): TreePicture {
  const amounts = new Map(nodes.map((n) => [n.id, n.amount]));
  return { shape: new TreeShape(nodes), amount: (id) => amounts.get(id) ?? null };
}
