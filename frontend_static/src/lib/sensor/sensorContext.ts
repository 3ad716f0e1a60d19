import type { BackgroundData } from '../../api/sensors';

export interface NodeOf {
  readonly id: string;
  readonly name: string;
  readonly tree: 'consumption' | 'production';
}

/** What stands around a sensor: its device, how often it was found at fault, what it meters, and where it counts. */
export interface Background {
  readonly device: BackgroundData['devices'][number] | null;
  readonly errors: BackgroundData['sensorErrors'][number] | null;
  readonly meters: readonly string[];
  readonly nodes: readonly NodeOf[];
}

export function backgroundOf(sensor: string, data: BackgroundData): Background {
  const of = (tree: NodeOf['tree']): NodeOf[] => {
    const byId = new Map(data[tree].nodes.map((n) => [n.id, n]));
    const found: NodeOf[] = [];
    for (const leaf of data[tree].nodes.filter((n) => n.target === sensor)) {
      for (let at: typeof leaf | undefined = leaf; at; at = byId.get(at.parent ?? ''))
        found.unshift({ id: at.id, name: at.name, tree });
    }
    return found;
  };
  return {
    device: data.devices.find((d) => d.sensors.includes(sensor)) ?? null,
    errors: data.sensorErrors.find((e) => e.sensor === sensor) ?? null,
    meters: data.racks.flatMap((r) => r.equipment.filter((e) => e.wattmeters.includes(sensor)).map((e) => e.name)),
    nodes: [...of('consumption'), ...of('production')],
  };
}
