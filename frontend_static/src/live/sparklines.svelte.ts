import { runQuery } from '../api/client';
import { Sparklines } from '../api/series';
import { toIso } from '../lib/format/time';
import { clock } from './clock.svelte';

const HOUR = 3_600_000;
const MAX_AGE_MS = 120_000;
const SCROLL_PAUSE_MS = 180;

/** The last hour of the visible sensors, requested together once scrolling stops. */
export class LiveSparklines {
  #lines = $state.raw<ReadonlyMap<string, readonly (number | null)[]>>(new Map());
  #requestTimes = new Map<string, number>();

  values(sensor: string): readonly (number | null)[] {
    return this.#lines.get(sensor) ?? [];
  }

  /**
   * Request sparklines. Return a function that cancels. After a failure the place stays empty and is requested again
   * later.
   */
  request(sensors: readonly string[]): () => void {
    const timer = setTimeout(() => void this.#fetch(sensors), SCROLL_PAUSE_MS);
    return () => clearTimeout(timer);
  }

  async #fetch(sensors: readonly string[]): Promise<void> {
    const now = clock.read();
    const missing = sensors.filter((s) => now - (this.#requestTimes.get(s) ?? -Infinity) > MAX_AGE_MS);
    if (missing.length === 0) return;
    for (const sensor of missing) this.#requestTimes.set(sensor, now);
    try {
      const { series } = await runQuery(Sparklines, { sensors: missing, from: toIso(now - HOUR) });
      this.#lines = new Map([...this.#lines, ...series.map((s) => [s.sensor ?? '', s.values] as const)]);
    } catch {
      for (const sensor of missing) this.#requestTimes.delete(sensor);
    }
  }
}
