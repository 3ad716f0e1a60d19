import { type ApiError, subscribe } from '../api/client';
import type { TypedDocumentNode } from '@urql/core';
import { clock } from './clock.svelte';
import { connection } from './connection.svelte';
import { throttleToFrames } from './frames';

/** Items by key. The subscription sends all of them first, then the changes. */
export class LiveList<T> {
  #items = $state.raw<ReadonlyMap<string, T>>(new Map());
  #ready = $state(false);
  #error = $state.raw<ApiError | null>(null);
  #pending = new Map<string, T>();

  constructor(private readonly key: (item: T) => string) {}

  get items(): readonly T[] {
    return [...this.#items.values()];
  }

  get ready(): boolean {
    return this.#ready;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  /** Merge items into the list. `replacesAll`: remove all others. */
  update(items: readonly T[], replacesAll: boolean): void {
    const next = replacesAll ? new Map<string, T>() : new Map(this.#items);
    for (const item of items) next.set(this.key(item), item);
    this.#items = next;
    this.#ready = true;
  }

  remove(key: string): void {
    this.#items = new Map([...this.#items].filter(([k]) => k !== key));
  }

  watch<Data>(
    document: TypedDocumentNode<Data, Record<string, never>>,
    of: (data: Data) => { snapshot: boolean; items: readonly T[] },
    replacesAll = true,
  ): () => void {
    const frame = throttleToFrames(() => {
      connection.noteData(clock.read());
      if (this.#pending.size === 0) return;
      this.update([...this.#pending.values()], false);
      this.#pending = new Map();
    });
    const stop = subscribe(
      document,
      {},
      (data) => {
        const { snapshot, items } = of(data);
        this.#error = null;
        if (snapshot && replacesAll) {
          this.#pending = new Map();
          this.update(items, true);
        } else {
          for (const item of items) this.#pending.set(this.key(item), item);
        }
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
