import { ApiError, runQuery } from '../api/client';
import { type SensorData, SensorList } from '../api/sensors';
import { searchText } from '../lib/sensor/sensorState';
import { LiveReadings } from './readings.svelte';

const PAGE_SIZE = 1_000;

export interface SensorRow {
  readonly sensor: SensorData;
  /** Lower-case text for the search. */
  readonly text: string;
}

/** All sensors with their newest readings. They are loaded in pages; the first page is shown while the others load. */
export class LiveSensors {
  readonly readings = new LiveReadings(450);
  #rows = $state.raw<readonly SensorRow[]>([]);
  #total = $state<number | null>(null);
  #error = $state.raw<ApiError | null>(null);

  get rows(): readonly SensorRow[] {
    return this.#rows;
  }

  /** Total number of sensors; null until the first page has arrived. */
  get total(): number | null {
    return this.#total;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  load = async (): Promise<void> => {
    this.#error = null;
    const rows: SensorRow[] = [];
    try {
      for (let after: string | null = null, more = true; more;) {
        const { sensors }: Awaited<ReturnType<typeof fetchPage>> = await fetchPage(after);
        for (const { node } of sensors.edges) {
          rows.push({ sensor: node, text: searchText(node) });
          if (node.latest) this.readings.seed(node.name, Date.parse(node.latest.time), node.latest.value);
        }
        this.#rows = [...rows];
        this.#total = sensors.totalCount;
        more = sensors.pageInfo.hasNextPage;
        after = sensors.pageInfo.endCursor;
      }
    } catch (error) {
      this.#error = error instanceof ApiError ? error : new ApiError(String(error), false);
    }
  };

  watch(): () => void {
    return this.readings.watch(null);
  }
}

const fetchPage = (after: string | null) => runQuery(SensorList, { first: PAGE_SIZE, after });
