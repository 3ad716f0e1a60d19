import { type ApiError, watch } from '../api/client';
import type { TypedDocumentNode } from '@urql/core';
import { clock } from './clock.svelte';
import { connection } from './connection.svelte';
import { oncePerFrame } from './frames';

/** Things by their keys, kept up by a subscription that sends all of them first and then what changed. */
export class LiveList<T> {
  #items = $state.raw<ReadonlyMap<string, T>>(new Map());
  #ready = $state(false);
  #error = $state.raw<ApiError | null>(null);
  #coming = new Map<string, T>();

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

  /** Takes items over; `whole`: there are no others. */
  take(items: readonly T[], whole: boolean): void {
    const next = whole ? new Map<string, T>() : new Map(this.#items);
    for (const item of items) next.set(this.key(item), item);
    this.#items = next;
    this.#ready = true;
  }

  drop(key: string): void {
    this.#items = new Map([...this.#items].filter(([k]) => k !== key));
  }

  watch<Data>(
    document: TypedDocumentNode<Data, Record<string, never>>,
    of: (data: Data) => { snapshot: boolean; items: readonly T[] },
    whole = true,
  ): () => void {
    const frame = oncePerFrame(() => {
      connection.fresh(clock.read());
      if (this.#coming.size === 0) return;
      this.take([...this.#coming.values()], false);
      this.#coming = new Map();
    });
    const stop = watch(
      document,
      {},
      (data) => {
        const { snapshot, items } = of(data);
        this.#error = null;
        if (snapshot && whole) {
          this.#coming = new Map();
          this.take(items, true);
        } else {
          for (const item of items) this.#coming.set(this.key(item), item);
        }
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
