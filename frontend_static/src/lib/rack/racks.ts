import type { ResultOf } from '../../api/graphql';
import type { RacksPage } from '../../api/racks';

export type RackData = ResultOf<typeof RacksPage>['racks'][number];
export type ProbeData = RackData['probes'][number];
export type EquipmentData = RackData['equipment'][number];

/** One height of a rack. The probes in front and behind form a pair. */
export interface RackRow {
  readonly position: number;
  readonly equipment: readonly EquipmentData[];
  readonly front: ProbeData | undefined;
  readonly back: ProbeData | undefined;
}

/** Return rows from top to bottom. Empty heights have no row. */
export function rackRows(rack: RackData): RackRow[] {
  const at = (side: ProbeData['side'], position: number) =>
    rack.probes.find((p) => p.side === side && p.position === position);
  const positions = new Set([
    ...rack.equipment.map((e) => e.position),
    ...rack.probes.filter((p) => p.side !== 'TOP').map((p) => p.position),
  ]);
  return [...positions]
    .sort((a, b) => b - a)
    .map((position) => ({
      position,
      equipment: rack.equipment.filter((e) => e.position === position),
      front: at('FRONT', position),
      back: at('BACK', position),
    }));
}

/** Return the sensors of a row's chart: its pair of probes, or its power sensors if it has no probe. */
export function chartSensors(row: RackRow): string[] {
  const pair = [row.front, row.back].flatMap((p) => (p ? [p.sensor] : []));
  return pair.length > 0 ? pair : row.equipment.flatMap((e) => e.wattmeters);
}

/** Return true for a rack with equipment, or with probes at several heights. */
export function isRack(rack: RackData): boolean {
  return rack.equipment.length > 0 || rackRows(rack).length > 1;
}

export interface PowerSum {
  readonly watts: number | null;
  readonly reporting: number;
  readonly expected: number;
}

/** Return the total power of several sensors. Silent sensors are counted as missing, not as zero. */
export function sumWatts(sensors: readonly string[], value: (sensor: string) => number | null): PowerSum {
  const values = sensors.map(value).filter((v) => v !== null);
  return {
    watts: values.length > 0 ? values.reduce((a, b) => a + b, 0) : null,
    reporting: values.length,
    expected: sensors.length,
  };
}

export function mean(all: readonly (number | null)[]): number | null {
  const values = all.filter((v) => v !== null);
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null;
}
