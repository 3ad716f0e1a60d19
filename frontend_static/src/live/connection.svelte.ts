import { clock } from './clock.svelte';

export type ConnectionState = 'idle' | 'connecting' | 'live' | 'lost';

/** How the line to the server is, and how old the newest data on this page is. */
class Connection {
  #state = $state<ConnectionState>('idle');
  #newest = $state<number | null>(null);
  #endWait: (() => void) | undefined;

  constructor() {
    addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.retryNow();
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Time of the newest data shown, epoch milliseconds. */
  get newest(): number | null {
    return this.#newest;
  }

  get ageMs(): number | null {
    return this.#newest === null ? null : Math.max(0, clock.now - this.#newest);
  }

  connecting(): void {
    if (this.#state !== 'lost') this.#state = 'connecting';
  }

  connected(): void {
    this.#state = 'live';
  }

  closed(): void {
    if (this.#state !== 'idle') this.#state = 'lost';
  }

  /** A plain request came through; says nothing about the socket. */
  requestSucceeded(): void {
    if (this.#state === 'lost') this.retryNow();
  }

  /** Data of this time arrived. */
  noteData(time: number): void {
    if (this.#newest === null || time > this.#newest) this.#newest = time;
  }

  /** Another page, other data. */
  resetAge(): void {
    this.#newest = null;
  }

  retryNow(): void {
    this.#endWait?.();
  }

  /** Waits longer from try to try, up to 10 s, with some chance in it so that many pages do not come back at once. */
  async waitToRetry(retries: number): Promise<void> {
    const wait = Math.min(10_000, 500 * 2 ** retries) * (0.7 + 0.6 * Math.random());
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endWait = undefined;
  }
}

export const connection = new Connection();
