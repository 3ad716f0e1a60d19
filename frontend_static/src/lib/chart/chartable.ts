import type { Line } from './series';
import { unitSymbol } from '../format/format';

/** A series that can be charted: a sensor, or a node of an energy tree. */
export interface ChartableSeries {
  readonly kind: 'sensor' | 'node';
  /** The sensor's name, or the node's id. */
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  /** Text that tells similar series apart: type and place. */
  readonly about: string;
  readonly periodMs: number;
}

/** Maximum number of series in one view. More lines are unreadable and expensive for the server. */
export const MAX_SERIES = 64;

const SENSOR_PREFIX = 'sensor:';

/** Return a key that is unique over sensors and nodes. */
export function seriesKey(kind: 'sensor' | 'node', id: string): string {
  return `${kind}:${id}`;
}

export interface UnitGroup {
  readonly unit: string;
  readonly title: string;
  readonly series: readonly ChartableSeries[];
}

const QUANTITIES: Record<string, string> = {
  W: 'Power',
  kW: 'Power',
  kWh: 'Energy',
  Wh: 'Energy',
  '°C': 'Temperature',
  V: 'Voltage',
  A: 'Current',
  Hz: 'Frequency',
  Pa: 'Pressure',
  hPa: 'Pressure',
  'm/s': 'Speed',
  'W/m2': 'Irradiance',
  'L/s': 'Flow',
  VA: 'Apparent power',
  var: 'Reactive power',
};

/** Return one group per unit, in the order in which the units were first selected. */
export function groupByUnit(series: readonly ChartableSeries[]): UnitGroup[] {
  const groups = new Map<string, ChartableSeries[]>();
  for (const one of series) {
    const unit = unitSymbol(one.unit);
    groups.set(unit, [...(groups.get(unit) ?? []), one]);
  }
  return [...groups].map(([unit, members]) => ({
    unit,
    title: QUANTITIES[unit] ? `${QUANTITIES[unit]}, ${unit}` : unit || 'No unit',
    series: members,
  }));
}

/** Sensors appear by id, because scripts use ids. Nodes appear by name. */
function columnName(line: Line): string {
  return line.id.startsWith(SENSOR_PREFIX) ? line.id.slice(SENSOR_PREFIX.length) : line.label;
}

/** Return the drawn lines as CSV, one row per point. */
export function toCsv(lines: readonly Line[]): string {
  const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = lines.flatMap((line) =>
    line.times.map((time, i) =>
      [
        new Date(time).toISOString(),
        cell(columnName(line)),
        cell(line.unit),
        line.values[i] ?? '',
        line.min?.[i] ?? '',
        line.max?.[i] ?? '',
        line.coverage?.[i] ?? '',
      ].join(','),
    ),
  );
  return ['time,series,unit,value,min,max,coverage', ...rows, ''].join('\n');
}
