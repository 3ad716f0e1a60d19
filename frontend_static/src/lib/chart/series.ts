import type { SeriesData, StatisticsData } from '../../api/series';

/** One line of a chart. `times` are epoch milliseconds, ascending; a null value is a gap. */
export interface Line {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  /** CSS colour, or the name of a token such as `--consumption`. */
  readonly colour: string;
  readonly dash?: readonly number[];
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
  readonly min?: readonly (number | null)[];
  readonly max?: readonly (number | null)[];
  readonly coverage?: readonly (number | null)[];
  /** True for raw readings, false for windows. */
  readonly raw?: boolean;
}

/** Raw readings have no marks for missing data. A pause of this many periods is a gap. */
const GAP_PERIODS = 5;

type Column = readonly (number | null)[];

/** Insert a gap wherever two neighbours are more than `threshold` ms apart. */
export function markGaps(
  times: readonly number[],
  values: Column,
  threshold: number,
): { times: number[]; values: Column } {
  const outTimes: number[] = [];
  const outValues: (number | null)[] = [];
  times.forEach((time, i) => {
    const before = times[i - 1];
    if (before !== undefined && time - before > threshold) {
      outTimes.push(before + 1);
      outValues.push(null);
    }
    outTimes.push(time);
    outValues.push(values[i] ?? null);
  });
  return { times: outTimes, values: outValues };
}

/**
 * Return the distance in ms above which two points have a gap between them. Thinned points are further apart than the
 * sensor's period.
 */
export function gapThreshold(times: readonly number[], periodMs: number): number {
  const steps = times.slice(1).map((t, i) => t - (times[i] ?? t));
  steps.sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length * 0.5)] ?? periodMs;
  return Math.max(periodMs, usual) * GAP_PERIODS;
}

export function toLine(
  series: SeriesData,
  look: { label: string; colour: string; dash?: readonly number[] },
  periodMs = 1_000,
): Line {
  const base = { id: series.sensor ?? series.node ?? '', unit: series.unit, ...look };
  if (series.window === 'RAW') {
    return {
      ...base,
      raw: true,
      ...markGaps(series.timestamps, series.values, gapThreshold(series.timestamps, periodMs)),
    };
  }
  return {
    ...base,
    times: series.timestamps,
    values: series.values,
    ...(series.min ? { min: series.min } : {}),
    ...(series.max ? { max: series.max } : {}),
    ...(series.coverage ? { coverage: series.coverage } : {}),
  };
}

/** Lines on one common time axis. Without a point at a time, a line has `undefined` (drawn through); a gap is null. */
export interface Aligned {
  readonly times: number[];
  readonly columns: (number | null | undefined)[][];
}

export function align(columns: readonly { times: readonly number[]; values: Column }[]): Aligned {
  const first = columns[0];
  if (first === undefined) return { times: [], columns: [] };
  if (columns.every((c) => c.times === first.times)) {
    return { times: [...first.times], columns: columns.map((c) => [...c.values]) };
  }
  const times = [...new Set(columns.map((c) => c.times))].reduce<Float64Array>(mergeTimes, new Float64Array());
  return { times: [...times], columns: columns.map((c) => alignColumn(c, times)) };
}

/** Return the union of two ascending time lists, ascending. */
function mergeTimes(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const out = new Float64Array(a.length + b.length);
  let [i, j, size] = [0, 0, 0];
  while (i < a.length || j < b.length) {
    const time = Math.min(a[i] ?? Infinity, b[j] ?? Infinity);
    if (a[i] === time) i += 1;
    if (b[j] === time) j += 1;
    if (out[size - 1] !== time) out[size++] = time;
  }
  return out.subarray(0, size);
}

/** Return a column's values at `times`; `undefined` where the column has no point. */
function alignColumn(
  column: { times: readonly number[]; values: Column },
  times: ArrayLike<number>,
): (number | null | undefined)[] {
  const out = new Array<number | null | undefined>(times.length).fill(undefined);
  let at = 0;
  column.times.forEach((time, i) => {
    while ((times[at] ?? time) < time) at += 1;
    out[at] = column.values[i] ?? null;
  });
  return out;
}

/** Return the value of the nearest point, if it is within `tolerance` ms. */
export function valueAt(
  line: Line,
  time: number,
  tolerance: number,
): { time: number; value: number | null; coverage: number | null } | null {
  let low = 0;
  let high = line.times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line.times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  const before = line.times[low - 1];
  const here = line.times[low];
  const nearest = before !== undefined && (here === undefined || time - before < here - time) ? low - 1 : low;
  const nearestTime = line.times[nearest];
  if (nearestTime === undefined || Math.abs(nearestTime - time) > tolerance) return null;
  return { time: nearestTime, value: line.values[nearest] ?? null, coverage: line.coverage?.[nearest] ?? null };
}

export interface Statistics {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly stddev: number | null;
  readonly coverage: number | null;
}

/**
 * Return the statistics of a span from those of its windows. Weights are counts, so the result equals that of the
 * readings.
 */
export function mergeStatistics(
  series: Pick<StatisticsData, 'values' | 'min' | 'max' | 'mean' | 'count' | 'stddev' | 'coverage'>,
): Statistics | null {
  const rows = series.values.map((value, i) => ({
    value: series.mean?.[i] ?? value,
    count: series.count?.[i] ?? (value === null ? 0 : 1),
    min: series.min?.[i] ?? value,
    max: series.max?.[i] ?? value,
    stddev: series.stddev?.[i] ?? 0,
  }));
  const filled = rows.filter(
    (r): r is typeof r & { value: number; min: number; max: number } => r.value !== null && r.count > 0,
  );
  if (filled.length === 0) return null;
  const count = filled.reduce((n, r) => n + r.count, 0);
  const mean = filled.reduce((sum, r) => sum + r.value * r.count, 0) / count;
  const m2 = filled.reduce((sum, r) => sum + (r.count - 1) * r.stddev ** 2 + r.count * (r.value - mean) ** 2, 0);
  const knownCoverage = series.coverage?.filter((c) => c !== null);
  return {
    count,
    mean,
    min: filled.reduce((low, r) => Math.min(low, r.min), Infinity),
    max: filled.reduce((high, r) => Math.max(high, r.max), -Infinity),
    stddev: count > 1 ? Math.sqrt(m2 / (count - 1)) : null,
    coverage:
      knownCoverage && knownCoverage.length > 0
        ? knownCoverage.reduce((a, b) => a + b, 0) / series.values.length
        : null,
  };
}

/** Return the spans in which a line's windows have missing data. */
export function partialSpans(line: Line): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = [];
  line.times.forEach((time, i) => {
    const coverage = line.coverage?.[i];
    if (line.values[i] === null || coverage === null || coverage === undefined || coverage > 0.995) return;
    const to = line.times[i + 1] ?? time + (time - (line.times[i - 1] ?? time));
    const last = spans.at(-1);
    if (last && last.to >= time) last.to = to;
    else spans.push({ from: time, to });
  });
  return spans;
}

/** Return a line of raw readings with newer ones appended. Other lines are returned unchanged. */
export function withTail(line: Line, tail: readonly { time: number; value: number }[]): Line {
  const last = line.times.at(-1) ?? -Infinity;
  const newer = tail.filter((r) => r.time > last);
  if (!line.raw || newer.length === 0) return line;
  return {
    ...line,
    times: [...line.times, ...newer.map((r) => r.time)],
    values: [...line.values, ...newer.map((r) => r.value)],
  };
}
