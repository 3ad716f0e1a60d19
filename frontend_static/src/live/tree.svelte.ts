import { untrack } from 'svelte';
import { type ApiError, watch } from '../api/client';
import { TreeLive } from '../api/documents';
import type { EnergyNodeData, EnergyTreeData, TreeKind } from '../api/types';
import { connection } from './connection.svelte';
import { shapeKey, TreeShape } from '../lib/tree';
import { oncePerFrame } from './frames';

/** A still picture of a tree: order and grouping follow it, so that live values do not shuffle what is being read. */
export interface TreePicture {
  readonly shape: TreeShape;
  readonly watts: (id: string) => number | null;
}

/** One energy tree as it is now. `watch()` keeps it moving until the function it returns is called. */
export class LiveTree {
  #tree = $state.raw<EnergyTreeData | null>(null);
  #error = $state.raw<ApiError | null>(null);
  #byId = $derived(new Map((this.#tree?.nodes ?? []).map((n) => [n.id, n])));

  #key = $derived(`${shapeKey(this.nodes)} ${this.root?.watts != null}`);
  #picture = $derived.by((): TreePicture => {
    void this.#key;
    const nodes = untrack(() => this.nodes);
    const watts = new Map(nodes.map((n) => [n.id, n.watts]));
    return { shape: new TreeShape(nodes), watts: (id) => watts.get(id) ?? null };
  });

  constructor(readonly kind: TreeKind) {}

  /** Parents stand before their children; empty until something arrived. */
  get nodes(): readonly EnergyNodeData[] {
    return this.#tree?.nodes ?? [];
  }

  get ready(): boolean {
    return this.#tree !== null;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  get byId(): ReadonlyMap<string, EnergyNodeData> {
    return this.#byId;
  }

  get root(): EnergyNodeData | undefined {
    return this.nodes.find((n) => n.parent === null);
  }

  /** The tree's shape, and its watts when that shape was first seen. */
  get picture(): TreePicture {
    return this.#picture;
  }

  /** Take a tree that came with a page's first answer. */
  seed(tree: EnergyTreeData): void {
    this.#tree = tree;
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
