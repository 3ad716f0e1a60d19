import type { SensorData } from '../../api/sensors';
import type { LiveReading } from '../../live/readings.svelte';
import type { IconName } from '../ui/icons';

export type SensorState = 'live' | 'silent' | 'never';

export const SENSOR_STATES: Record<SensorState, { label: string; icon: IconName; explanation: string }> = {
  live: { label: 'Live', icon: 'check', explanation: 'Readings arrive at the expected interval.' },
  silent: { label: 'Silent', icon: 'silent', explanation: 'No reading for over a minute and over five periods.' },
  never: { label: 'No data', icon: 'warn', explanation: 'No reading was ever received.' },
};

const MISSED_PERIODS = 5;
const MIN_SILENCE_MS = 60_000;

/** Return the state of a sensor at `now` (epoch ms), by the server's rule for `stale`. */
export function sensorState(sensor: SensorData, reading: LiveReading | undefined, now: number): SensorState {
  if (reading === undefined) return 'never';
  const allowed = Math.max(MIN_SILENCE_MS, sensor.periodSeconds * 1_000 * MISSED_PERIODS);
  return now - reading.time > allowed ? 'silent' : 'live';
}

/** Return the place of a sensor as text: its position in a rack, or its location. */
export function placeText(sensor: SensorData): string {
  if (!sensor.rack) return sensor.location;
  return `${sensor.rack.rack}, U${sensor.rack.position} ${sensor.rack.side.toLowerCase()}`;
}

/** Return the text that a search looks through. */
export function searchText(sensor: SensorData): string {
  return [
    sensor.name,
    sensor.label,
    sensor.type,
    sensor.location,
    sensor.parent ?? '',
    sensor.info,
    ...sensor.tags,
    ...(sensor.rack?.servers ?? []),
    placeText(sensor),
  ]
    .join('\n')
    .toLowerCase();
}

/** Return the window for exact statistics of a span from at most 2,000 buckets. */
export function statisticsWindow(spanMs: number): 'RAW' | 'S30' | 'M1' | 'H1' | 'D1' {
  const hours = spanMs / 3_600_000;
  // Windows at the edges are left out. In a short span they would be missed.
  if (hours <= 0.5) return 'RAW';
  if (hours <= 12) return 'S30';
  if (hours <= 32) return 'M1';
  return hours <= 24 * 80 ? 'H1' : 'D1';
}
