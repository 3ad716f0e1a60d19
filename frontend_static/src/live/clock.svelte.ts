const TICK_MS = 500;
/** The `date` header has whole seconds. Smaller differences come from rounding. */
const TRUSTED_MS = 2_000;

/** The server's time, updated twice a second while the page is visible. */
class Clock {
  #offset = 0;
  #now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.#now = this.read();
    }, TICK_MS);
    document.addEventListener('visibilitychange', () => (this.#now = this.read()));
  }

  /** Epoch milliseconds. A template that reads it is updated with each tick. */
  get now(): number {
    return this.#now;
  }

  /** Return the present time, without reactivity. */
  read(): number {
    return Date.now() + this.#offset;
  }

  /** Estimate the offset to the server's clock from the `date` header of an answer. */
  calibrate(date: string | null, sentAt: number, receivedAt: number): void {
    const server = date === null ? NaN : Date.parse(date) + 500;
    const offset = server - (sentAt + receivedAt) / 2;
    if (Number.isFinite(offset)) this.#offset = Math.abs(offset) < TRUSTED_MS ? 0 : offset;
  }
}

export const clock = new Clock();
