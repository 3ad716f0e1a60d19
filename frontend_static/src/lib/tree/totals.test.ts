import { describe, expect, it } from 'vitest';
import type { SeriesData } from '../../api/series';
import { totalLines } from './totals';

const series = (node: string): SeriesData => ({
  sensor: null,
  node,
  unit: 'W',
  window: 'M1',
  stepSeconds: 60,
  timestamps: [0, 60_000],
  values: [1, null],
  min: null,
  max: null,
  coverage: null,
});

describe('totals of the energy trees', () => {
  it('takes label and colour from the tree, whatever the root is called', () => {
    const lines = totalLines([series('lab'), series('roof')], { consumption: 'lab', production: 'roof' });
    expect(lines.map((line) => [line.id, line.label, line.colour])).toEqual([
      ['lab', 'Consumption', '--consumption'],
      ['roof', 'Production', '--production'],
    ]);
  });

  it('leaves out nodes that are not a root', () => {
    expect(totalLines([series('rack_1')], { consumption: 'lab' })).toEqual([]);
    expect(totalLines([series('lab')], {})).toEqual([]);
  });
});
