import type { ResultOf } from '../../api/graphql';
import type { RoomPage } from '../../api/room';
import type { SensorData } from '../../api/sensors';
import { unitSymbol } from '../format/format';
import { mean, sumWatts } from '../rack/racks';

export type RoomArrayData = ResultOf<typeof RoomPage>['roomMap'][number];
export type RoomPlanData = NonNullable<ResultOf<typeof RoomPage>['roomPlan']>;
export type RoomQuantity = 'power' | 'temperature';

/** An equipment group (array) of the room with its present values. */
export interface ArrayState {
  readonly array: RoomArrayData;
  /** Names of its wattmeters and probes. An array may have neither. */
  readonly meters: readonly string[];
  readonly probes: readonly string[];
  readonly watts: number | null;
  readonly celsius: number | null;
  readonly silent: number;
}

/** Return the array's sensors by quantity. Power counts only wattmeters, because heat is measured in watts too. */
export function sensorsByQuantity(
  array: RoomArrayData,
  sensors: ReadonlyMap<string, SensorData>,
): { meters: string[]; probes: string[] } {
  const described = array.sensors.map((name) => sensors.get(name)).filter((s) => s !== undefined);
  return {
    meters: described.filter((s) => s.type === 'wattmeter' && unitSymbol(s.unit) === 'W').map((s) => s.name),
    probes: described.filter((s) => unitSymbol(s.unit) === '°C').map((s) => s.name),
  };
}

/** Return the array's description; its name if it has none. */
export function arrayLabel(array: RoomArrayData): string {
  return array.info || array.name;
}

export function arrayState(
  array: RoomArrayData,
  { meters, probes }: { meters: readonly string[]; probes: readonly string[] },
  value: (sensor: string) => number | null,
): ArrayState {
  return {
    array,
    meters,
    probes,
    watts: sumWatts(meters, value).watts,
    celsius: mean(probes.map(value)),
    silent: array.sensors.filter((s) => value(s) === null).length,
  };
}

/** Parse a position on the plan in percent; null if it is invalid. */
export function parsePercent(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(text);
  const value = match ? Number(match[1]) : NaN;
  return value >= 0 && value <= 100 ? value : null;
}

const MAX_SHARE = 0.14;
const SHARE_STEP = 0.01;
const IN_EDGE = 0.9;

/**
 * Return the maximum width of the widest disc, as a share of the plan's width.
 *
 * No two discs overlap and none leaves the plan. The result changes in steps, so that discs do not resize with every
 * reading.
 */
export function maxDiscWidth(marks: readonly { x: number; y: number; width: number }[], aspect: number): number {
  let max = MAX_SHARE;
  marks.forEach((a, i) => {
    const edge = Math.min(a.x, 100 - a.x, a.y / aspect, (100 - a.y) / aspect) / 100;
    if (edge > 0 && a.width > 0) max = Math.min(max, (2 * IN_EDGE * edge) / a.width);
    for (const b of marks.slice(i + 1)) {
      const distance = Math.hypot(a.x - b.x, (a.y - b.y) / aspect) / 100;
      const half = (a.width + b.width) / 2;
      if (half > 0 && distance > 0) max = Math.min(max, distance / half);
    }
  });
  return Math.max(SHARE_STEP, Math.floor(max / SHARE_STEP) * SHARE_STEP);
}

/** Return the width of a disc as a share of the widest. Its area is its power. */
export function discWidth(watts: number | null, max: number): number {
  return max > 0 ? Math.sqrt(Math.max(0, watts ?? 0) / max) : 0;
}
