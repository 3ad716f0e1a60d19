import { clock } from './clock.svelte';

export type ConnectionState = 'idle' | 'connecting' | 'live' | 'lost';

/** The state of the connection to the server, and the age of the newest data on this page. */
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

  /** Time of the newest data shown, in epoch milliseconds. */
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

  /** Record a successful HTTP request. A lost socket then reconnects at once. */
  requestSucceeded(): void {
    if (this.#state === 'lost') this.retryNow();
  }

  /** Record that data of this time has arrived. */
  noteData(time: number): void {
    if (this.#newest === null || time > this.#newest) this.#newest = time;
  }

  /** Forget the data's age, because another page has other data. */
  resetAge(): void {
    this.#newest = null;
  }

  retryNow(): void {
    this.#endWait?.();
  }

  /** Wait before a reconnect: longer each time, up to 10 s, with jitter so that many pages do not reconnect at once. */
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
