import type { SensorContextData } from '../../api/sensors';

export interface TreeNodeRef {
  readonly id: string;
  readonly name: string;
  readonly tree: 'consumption' | 'production';
}

/** A sensor's device, error counter, metered equipment and tree nodes. */
export interface SensorContext {
  readonly device: SensorContextData['devices'][number] | null;
  readonly errors: SensorContextData['sensorErrors'][number] | null;
  readonly meters: readonly string[];
  readonly nodes: readonly TreeNodeRef[];
}

export function sensorContext(sensor: string, data: SensorContextData): SensorContext {
  const of = (tree: TreeNodeRef['tree']): TreeNodeRef[] => {
    const byId = new Map(data[tree].nodes.map((n) => [n.id, n]));
    const path: TreeNodeRef[] = [];
    for (const leaf of data[tree].nodes.filter((n) => n.target === sensor)) {
      for (let at: typeof leaf | undefined = leaf; at; at = byId.get(at.parent ?? ''))
        path.unshift({ id: at.id, name: at.name, tree });
    }
    return path;
  };
  return {
    device: data.devices.find((d) => d.sensors.includes(sensor)) ?? null,
    errors: data.sensorErrors.find((e) => e.sensor === sensor) ?? null,
    meters: data.racks.flatMap((r) => r.equipment.filter((e) => e.wattmeters.includes(sensor)).map((e) => e.name)),
    nodes: [...of('consumption'), ...of('production')],
  };
}
