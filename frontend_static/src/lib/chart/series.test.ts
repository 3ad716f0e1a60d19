import { describe, expect, it } from 'vitest';
import { align, type Line, markGaps, mergeStatistics, partialSpans, gapThreshold, valueAt, withTail } from './series';

const line = (times: number[], values: (number | null)[], more: Partial<Line> = {}): Line => ({
  id: 'a',
  label: 'a',
  unit: 'W',
  colour: '--series-1',
  times,
  values,
  ...more,
});

describe('gaps', () => {
  it('stand where raw readings are further apart than a threshold', () => {
    expect(markGaps([0, 1000, 9000], [1, 2, 3], 5000)).toEqual({
      times: [0, 1000, 1001, 9000],
      values: [1, 2, null, 3],
    });
  });

  it('are measured by how far apart the points usually stand, so that thinning makes none', () => {
    const thinned = [0, 30_000, 60_000, 90_000, 400_000];
    expect(gapThreshold(thinned, 1_000)).toBe(150_000);
    expect(markGaps(thinned, [1, 1, 1, 1, 1], gapThreshold(thinned, 1_000)).values).toEqual([1, 1, 1, 1, null, 1]);
  });
});

describe('align', () => {
  it('keeps a gap null and leaves a missing point undefined', () => {
    const { times, columns } = align([
      { times: [1, 3], values: [10, null] },
      { times: [1, 2], values: [5, 6] },
    ]);
    expect(times).toEqual([1, 2, 3]);
    expect(columns).toEqual([
      [10, undefined, null],
      [5, 6, undefined],
    ]);
  });

  it('takes the last of two values at one time, and looks once at times that are shared', () => {
    const shared = [2, 4];
    const { times, columns } = align([
      { times: shared, values: [1, 2] },
      { times: shared, values: [3, 4] },
      { times: [0, 4, 4, 9], values: [5, 6, 7, 8] },
    ]);
    expect(times).toEqual([0, 2, 4, 9]);
    expect(columns).toEqual([
      [undefined, 1, 2, undefined],
      [undefined, 3, 4, undefined],
      [5, undefined, 7, 8],
    ]);
  });

  it('has nothing for nothing', () => expect(align([])).toEqual({ times: [], columns: [] }));
});

describe('valueAt', () => {
  const a = line([0, 10, 20], [1, null, 3]);
  it.each([
    [1, 1],
    [6, null],
    [16, 3],
    [24, 3],
  ])('at %d is that of the nearest point: %s', (time, value) => expect(valueAt(a, time, 100)?.value).toBe(value));
  it('is nothing where no point is near', () => expect(valueAt(a, 500, 100)).toBeNull());
  it('is nothing on an empty line', () => expect(valueAt(line([], []), 5, 100)).toBeNull());
});

describe('statistics of a span', () => {
  it('equal those of its readings', () => {
    const readings = [3, 5, 4, 10, 12, 20, 1, 2];
    const windows = [readings.slice(0, 3), readings.slice(3, 4), readings.slice(4)];
    const of = (xs: number[]) => {
      const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
      return {
        mean,
        stddev: xs.length > 1 ? Math.sqrt(xs.reduce((s, x) => s + (x - mean) ** 2, 0) / (xs.length - 1)) : null,
      };
    };
    const column = <T>(f: (xs: number[]) => T): (T | null)[] => [...windows.map(f), null];
    const merged = mergeStatistics({
      values: column((xs) => of(xs).mean),
      mean: column((xs) => of(xs).mean),
      min: column((xs) => Math.min(...xs)),
      max: column((xs) => Math.max(...xs)),
      count: [...windows.map((xs) => xs.length), 0],
      stddev: column((xs) => of(xs).stddev as number),
      coverage: [1, 0.5, 1, 0],
    });
    expect(merged?.count).toBe(8);
    expect(merged?.mean).toBeCloseTo(of(readings).mean, 12);
    expect(merged?.stddev).toBeCloseTo(of(readings).stddev as number, 12);
    expect([merged?.min, merged?.max]).toEqual([1, 20]);
    expect(merged?.coverage).toBe(0.625);
  });

  it('are none where nothing was recorded', () => {
    expect(
      mergeStatistics({
        values: [null],
        mean: [null],
        min: [null],
        max: [null],
        count: [0],
        stddev: [null],
        coverage: [0],
      }),
    ).toBeNull();
  });
});

it('joins partial windows that touch, and leaves gaps out', () => {
  const spans = partialSpans(line([0, 10, 20, 30, 40], [1, 1, null, 1, 1], { coverage: [0.5, 0.9, 0, 1, 0.99] }));
  expect(spans).toEqual([
    { from: 0, to: 20 },
    { from: 40, to: 50 },
  ]);
});

describe('a live tail', () => {
  const tail = [
    { time: 2, value: 20 },
    { time: 3, value: 30 },
  ];
  it('continues raw readings behind their end', () => {
    expect(withTail(line([1, 2], [1, 2], { raw: true }), tail).values).toEqual([1, 2, 30]);
  });
  it('is not mixed into windows', () => {
    const windows = line([1], [1]);
    expect(withTail(windows, tail)).toBe(windows);
  });
});
