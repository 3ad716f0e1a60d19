import { ApiError, runQuery } from '../api/client';
import type { TreeKind } from '../api/energy';
import { type SensorData, fetchSensorsByName } from '../api/sensors';
import { MeasurementsPage } from '../api/series';
import type { ResultOf } from '../api/graphql';
import type { ChartableSeries } from '../lib/chart/chartable';
import { placeText } from '../lib/sensor/sensorState';
import { LiveReadings } from './readings.svelte';
import { LiveTree } from './tree.svelte';

/** The shortest window of nodes, which have no readings of their own. */
const NODE_PERIOD_MS = 30_000;

export interface QuickPick {
  readonly rack: string;
  readonly what: 'power sensors' | 'temperature probes';
  readonly sensors: readonly string[];
}

/** Descriptions and live values of the selected sensors and nodes. */
export class SeriesCatalog {
  readonly readings = new LiveReadings(450);
  readonly trees: Record<TreeKind, LiveTree> = {
    CONSUMPTION: new LiveTree('CONSUMPTION'),
    PRODUCTION: new LiveTree('PRODUCTION'),
  };
  #page = $state.raw<ResultOf<typeof MeasurementsPage> | null>(null);
  #sensors = $state.raw<ReadonlyMap<string, SensorData | null>>(new Map());
  #error = $state.raw<ApiError | null>(null);
  #sensorNames: readonly string[] = [];

  /** Nodes of both trees by id, with name and tree. */
  readonly nodes = $derived.by((): ReadonlyMap<string, { id: string; name: string; tree: TreeKind }> => {
    const both = [
      ...(this.#page?.consumption.nodes ?? []).map((n) => ({ ...n, tree: 'CONSUMPTION' as const })),
      ...(this.#page?.production.nodes ?? []).map((n) => ({ ...n, tree: 'PRODUCTION' as const })),
    ];
    return new Map(both.map((n) => [n.id, n]));
  });

  readonly picks = $derived.by((): readonly QuickPick[] =>
    (this.#page?.racks ?? [])
      .flatMap((rack): QuickPick[] => [
        { rack: rack.id, what: 'power sensors', sensors: rack.equipment.flatMap((e) => e.wattmeters) },
        { rack: rack.id, what: 'temperature probes', sensors: rack.probes.map((p) => p.sensor) },
      ])
      .filter((pick) => pick.sensors.length > 0),
  );

  get ready(): boolean {
    return this.#page !== null;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  sensor(name: string): SensorData | null | undefined {
    return this.#sensors.get(name);
  }

  /** Add sensors that a search returned, so that they are not requested again. */
  addSensors(sensors: readonly SensorData[]): void {
    for (const s of sensors) if (s.latest) this.readings.seed(s.name, Date.parse(s.latest.time), s.latest.value);
    this.#sensors = new Map([...this.#sensors, ...sensors.map((s) => [s.name, s] as const)]);
  }

  /** Return a series; undefined while it loads, null if it does not exist. */
  describe(kind: 'sensor' | 'node', id: string): ChartableSeries | null | undefined {
    if (kind === 'node') {
      const node = this.nodes.get(id);
      if (node === undefined) return this.ready ? null : undefined;
      const about = `${node.tree.toLowerCase()} tree`;
      return { kind, id, label: node.name, unit: 'W', about, periodMs: NODE_PERIOD_MS };
    }
    const sensor = this.#sensors.get(id);
    if (!sensor) return sensor;
    return {
      kind,
      id,
      label: sensor.label,
      unit: sensor.unit,
      about: `${sensor.type}, ${placeText(sensor)}`,
      periodMs: sensor.periodSeconds * 1_000,
    };
  }

  setSensors(names: readonly string[]): void {
    this.#sensorNames = names;
    void this.load();
  }

  load = async (): Promise<void> => {
    this.#error = null;
    try {
      const unknown = this.#sensorNames.filter((name) => !this.#sensors.has(name));
      const pageRequest = this.#page ? null : runQuery(MeasurementsPage, {});
      const [sensors, page] = await Promise.all([fetchSensorsByName(unknown), pageRequest]);
      if (page) this.#page = page;
      this.addSensors([...sensors.values()].filter((s) => s !== null));
      const missing = [...sensors].filter(([, sensor]) => sensor === null);
      if (missing.length > 0) this.#sensors = new Map([...this.#sensors, ...missing]);
    } catch (error) {
      this.#error = error instanceof ApiError ? error : new ApiError(String(error), false);
    }
  };
}
