import { type ApiError, subscribe } from '../api/client';
import { ReadingsLive } from '../api/sensors';
import { connection } from './connection.svelte';
import { throttleToFrames } from './frames';

/** `time` in epoch milliseconds, `value` in the sensor's unit. */
export interface LiveReading {
  readonly time: number;
  readonly value: number;
}

/** The newest reading of each watched sensor. Thousands of sensors share one reactive signal. */
export class LiveReadings {
  #readings = new Map<string, LiveReading>();
  #version = $state(0);
  #error = $state.raw<ApiError | null>(null);

  /** `minIntervalMs`: minimum time between two updates of the view. Pages with many values need only two per second. */
  constructor(readonly minIntervalMs = 0) {}

  /** A template that reads it is updated with every change. */
  get version(): number {
    return this.#version;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  latest(sensor: string): LiveReading | undefined {
    void this.#version;
    return this.#readings.get(sensor);
  }

  /** Take a reading that came with a page's first answer. */
  seed(sensor: string, time: number, value: number): void {
    const previous = this.#readings.get(sensor);
    if (!previous || previous.time < time) this.#readings.set(sensor, { time, value });
  }

  /**
   * Watch the readings of some sensors, or of all if null. `each` receives every reading, even those merged into one
   * frame.
   */
  watch(sensors: string[] | null, each?: (sensor: string, time: number, value: number) => void): () => void {
    let newest = 0;
    const frame = throttleToFrames(() => {
      connection.noteData(newest);
      this.#version += 1;
    }, this.minIntervalMs);
    const stop = subscribe(
      ReadingsLive,
      { sensors },
      ({ readings }) => {
        readings.sensors.forEach((sensor, i) => {
          const time = readings.timestamps[i];
          const value = readings.values[i];
          if (time === undefined || value === null || value === undefined) return;
          this.seed(sensor, time, value);
          newest = Math.max(newest, time);
          each?.(sensor, time, value);
        });
        this.#error = null;
        if (newest > 0) frame.schedule();
      },
      (error) => (this.#error = error),
    );
    return () => {
      frame.cancel();
      stop();
    };
  }
}
