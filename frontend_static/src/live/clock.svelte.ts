const TICK_MS = 500;
/** The `date` header has whole seconds; smaller differences are its rounding, not a wrong clock. */
const TRUSTED_MS = 2_000;

/** The server's time as this page knows it, moving twice a second while anybody looks. */
class Clock {
  #offset = 0;
  #now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.#now = this.read();
    }, TICK_MS);
    document.addEventListener('visibilitychange', () => (this.#now = this.read()));
  }

  /** Epoch milliseconds; reading it in a template follows the ticks. */
  get now(): number {
    return this.#now;
  }

  /** The time this instant, without following it. */
  read(): number {
    return Date.now() + this.#offset;
  }

  /** Learn from a reply's `date` header how far this machine's clock is from the server's. */
  calibrate(date: string | null, asked: number, answered: number): void {
    const server = date === null ? NaN : Date.parse(date) + 500;
    const offset = server - (asked + answered) / 2;
    if (Number.isFinite(offset)) this.#offset = Math.abs(offset) < TRUSTED_MS ? 0 : offset;
  }
}

export const clock = new Clock();
