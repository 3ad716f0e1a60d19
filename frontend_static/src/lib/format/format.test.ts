import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatQuantity,
  formatDuration,
  NO_VALUE,
  toQuantity,
  formatPercent,
  formatSignificant,
  unitSymbol,
} from './format';

describe('quantity', () => {
  it.each([
    [1460, 'W', '1.46 kW'],
    [14_600, 'W', '14.6 kW'],
    [146_000, 'W', '146 kW'],
    [999.4, 'W', '999 W'],
    [999.6, 'W', '1.00 kW'],
    [999_700, 'W', '1.00 MW'],
    [46.04, 'W', '46.0 W'],
    [0, 'W', '0 W'],
    [-1234, 'W', '−1.23 kW'],
    [-0.0001, 'W', '0 W'],
    [1.4, 'kW', '1.40 kW'],
    [0.4, 'kW', '400 W'],
    [21.44, 'celsius', '21.4 °C'],
    [-3.06, 'celsius', '−3.1 °C'],
    [99.96, 'percent', '100 %'],
    [7.251, '%', '7.3 %'],
    [1240.4, 'l/h', '1,240 l/h'],
    [1.4167, '', '1.42'],
    [52.123, 'V', '52.1 V'],
  ])('shows %d %s as %s', (value, unit, shown) => expect(formatQuantity(value, unit)).toBe(shown));

  it('keeps the exact value for hover, in the unit it came in', () => {
    expect(toQuantity(13_940.3943, 'W').full).toBe('13,940.394 W');
  });

  it.each([null, undefined, NaN, Infinity])('has no figure for %s', (value) => {
    expect(toQuantity(value, 'W').text).toBe(NO_VALUE);
    expect(formatQuantity(value, 'W')).toBe(NO_VALUE);
  });
});

describe('significant', () => {
  it('never says more than three digits, whatever the size', () => {
    for (let value = 0.011; value < 999; value *= 1.13) {
      expect(formatSignificant(value).replace('.', '').replace(/^0+/, '').length).toBeLessThanOrEqual(3);
    }
  });
});

it.each([
  ['watts', 'W'],
  [' Celsius ', '°C'],
  ['lux', 'lux'],
])('writes the unit %s as %s', (unit, shown) => expect(unitSymbol(unit)).toBe(shown));

it.each([
  [-40, '0.0 s'],
  [840, '0.8 s'],
  [9_960, '10 s'],
  [12_000, '12 s'],
  [99_600, '2 min'],
  [180_000, '3 min'],
  [7_200_000, '2 h'],
  [3 * 86_400_000, '3 d'],
])('says an age of %d ms as %s', (ms, text) => expect(formatAge(ms)).toBe(text));

it.each([
  [1_000, '1 s'],
  [90_000, '90 s'],
  [3_600_000, '1 h'],
  [5_400_000, '90 min'],
  [7 * 86_400_000, '7 d'],
])('says a length of %d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

it('never rounds a share up to all of it', () => {
  expect(formatPercent(0.9996)).toBe('99 %');
  expect(formatPercent(0.004)).toBe('< 1 %');
  expect(formatPercent(0)).toBe('0 %');
  expect(formatPercent(1)).toBe('100 %');
});
