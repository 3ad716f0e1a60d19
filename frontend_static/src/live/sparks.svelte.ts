import { ask } from '../api/client';
import { SparksOf } from '../api/series';
import { stamp } from '../lib/format/time';
import { clock } from './clock.svelte';

const HOUR = 3_600_000;
const KEEP_MS = 120_000;
const PAUSE_MS = 180;

/** The last hour of the sensors in sight, asked for together once scrolling rests. */
export class Sparks {
  #lines = $state.raw<ReadonlyMap<string, readonly (number | null)[]>>(new Map());
  #asked = new Map<string, number>();

  of(sensor: string): readonly (number | null)[] {
    return this.#lines.get(sensor) ?? [];
  }

  /** Returns a function that calls it off; failures leave the place empty and are asked for again later. */
  want(sensors: readonly string[]): () => void {
    const timer = setTimeout(() => void this.#fetch(sensors), PAUSE_MS);
    return () => clearTimeout(timer);
  }

  async #fetch(sensors: readonly string[]): Promise<void> {
    const now = clock.read();
    const missing = sensors.filter((s) => now - (this.#asked.get(s) ?? -Infinity) > KEEP_MS);
    if (missing.length === 0) return;
    for (const sensor of missing) this.#asked.set(sensor, now);
    try {
      const { series } = await ask(SparksOf, { sensors: missing, from: stamp(now - HOUR) });
      this.#lines = new Map([...this.#lines, ...series.map((s) => [s.sensor ?? '', s.values] as const)]);
    } catch {
      for (const sensor of missing) this.#asked.delete(sensor);
    }
  }
}
