import { describe, expect, it } from 'vitest';
import { assignColours } from './seriesColours';
import { groupByUnit, type ChartableSeries, toCsv } from './chartable';

const one = (id: string, unit: string): ChartableSeries => ({
  kind: 'sensor',
  id,
  label: id,
  unit,
  about: '',
  periodMs: 1_000,
});

describe('what is charted', () => {
  it('has one chart a unit, however the description spells it', () => {
    const groups = groupByUnit([one('a', 'W'), one('b', 'celsius'), one('c', 'watt'), one('d', '°C')]);
    expect(groups.map((g) => [g.title, g.series.map((s) => s.id)])).toEqual([
      ['Power, W', ['a', 'c']],
      ['Temperature, °C', ['b', 'd']],
    ]);
  });

  it('keeps the colours of what stays', () => {
    const first = assignColours(new Map(), ['a', 'b', 'c']);
    expect([...first]).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ]);
    const second = assignColours(first, ['b', 'c', 'd', 'e']);
    expect([...second]).toEqual([
      ['b', 1],
      ['c', 2],
      ['d', 0],
      ['e', 3],
    ]);
  });

  it('is written as a table, a gap as nothing', () => {
    const csv = toCsv([{ id: 'a', label: 'a, b', unit: 'W', colour: '', times: [0, 1000], values: [1.5, null] }]);
    expect(csv).toBe(
      'time,series,unit,value,min,max,coverage\n1970-01-01T00:00:00.000Z,"a, b",W,1.5,,,\n1970-01-01T00:00:01.000Z,"a, b",W,,,,\n',
    );
  });
});
