import type { Line } from './series';
import { unitSymbol } from '../format/format';

/** A series that can be charted: a sensor, or a node of an energy tree. */
export interface ChartableSeries {
  readonly kind: 'sensor' | 'node';
  /** The sensor's name, the node's id. */
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  /** How it differs from its like: type and place. */
  readonly about: string;
  readonly periodMs: number;
}

/** More lines in one view than this help nobody, and cost the server much. */
export const MAX_SERIES = 64;

/** One name for sensors and nodes together. */
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

/** One chart a unit, in the order in which the units were first chosen. */
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

/** The lines as a table: one row a point, as they are drawn. */
export function toCsv(lines: readonly Line[]): string {
  const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = lines.flatMap((line) =>
    line.times.map((time, i) =>
      [
        new Date(time).toISOString(),
        cell(line.label),
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
