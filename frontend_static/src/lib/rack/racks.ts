import type { ResultOf } from '../../api/graphql';
import type { RacksPage } from '../../api/racks';

export type RackData = ResultOf<typeof RacksPage>['racks'][number];
export type ProbeData = RackData['probes'][number];
export type EquipmentData = RackData['equipment'][number];

/** What stands at one height of a rack: the probes before and behind it make a pair. */
export interface RackRow {
  readonly position: number;
  readonly equipment: readonly EquipmentData[];
  readonly front: ProbeData | undefined;
  readonly back: ProbeData | undefined;
}

/** Rows from top to bottom; heights at which nothing stands have none. */
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

/** The sensors that a row's chart has: its pair of probes, or its plugs where no probe stands. */
export function chartSensors(row: RackRow): string[] {
  const pair = [row.front, row.back].flatMap((p) => (p ? [p.sensor] : []));
  return pair.length > 0 ? pair : row.equipment.flatMap((e) => e.wattmeters);
}

/** A rack of the description that is one: it has equipment, or probes at several heights. */
export function isRack(rack: RackData): boolean {
  return rack.equipment.length > 0 || rackRows(rack).length > 1;
}

export interface PowerSum {
  readonly watts: number | null;
  readonly reporting: number;
  readonly expected: number;
}

/** What several meters draw together; those that are silent are counted, not taken for zero. */
export function sumWatts(meters: readonly string[], value: (sensor: string) => number | null): PowerSum {
  const values = meters.map(value).filter((v) => v !== null);
  return {
    watts: values.length > 0 ? values.reduce((a, b) => a + b, 0) : null,
    reporting: values.length,
    expected: meters.length,
  };
}

export function mean(all: readonly (number | null)[]): number | null {
  const values = all.filter((v) => v !== null);
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null;
}
