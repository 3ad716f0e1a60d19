import { describe, expect, it } from 'vitest';
import { plotData, plotKey, valueLabels } from './plot';
import type { Line } from './series';

describe('labels of an axis', () => {
  it('share one prefix, and the topmost says the unit', () => {
    expect(valueLabels([0, 5000, 10_000, 15_000], 'W')).toEqual(['0', '5', '10', '15 kW']);
    expect(valueLabels([0, 50, 100], 'W')).toEqual(['0', '50', '100 W']);
  });

  it('have as many decimals as their step needs', () => {
    expect(valueLabels([0, 500, 1000, 1500], 'W')).toEqual(['0.0', '0.5', '1.0', '1.5 kW']);
    expect(valueLabels([21, 21.25, 21.5], '°C')).toEqual(['21.00', '21.25', '21.50 °C']);
    expect(valueLabels([0, 2500, 5000, 7500, 10_000], 'W')).toEqual(['0.0', '2.5', '5.0', '7.5', '10.0 kW']);
    expect(valueLabels([-2, 0, 2], '°C')).toEqual(['−2', '0', '2 °C']);
  });
});

it('draws a line with its band as highs, lows, values', () => {
  const line: Line = {
    id: 'a',
    label: '',
    unit: 'W',
    colour: '',
    times: [1, 2],
    values: [5, null],
    min: [4, null],
    max: [6, null],
  };
  expect(plotData([line])).toEqual([
    [1, 2],
    [6, null],
    [4, null],
    [5, null],
  ]);
  expect(plotKey([line])).not.toBe(plotKey([{ ...line, unit: 'V' }]));
  expect(plotKey([line])).toBe(plotKey([{ ...line, times: [3], values: [1] }]));
});
