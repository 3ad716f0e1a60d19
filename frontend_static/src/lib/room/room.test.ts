import { describe, expect, it } from 'vitest';
import type { SensorData } from '../../api/sensors';
import { arrayState, sensorsByQuantity, parsePercent, type RoomArrayData, maxDiscWidth, discWidth } from './room';

const sensor = (name: string, type: string, unit: string): [string, SensorData] => [
  name,
  {
    name,
    label: name,
    type,
    unit,
    location: '',
    method: '',
    parent: null,
    tags: [],
    info: '',
    periodSeconds: 1,
    latest: null,
    rack: null,
  },
];
const sensors = new Map([
  sensor('w1', 'wattmeter', 'W'),
  sensor('w2', 'wattmeter', 'W'),
  sensor('heat', 'thermal_power', 'W'),
  sensor('t', 'temperature', 'celsius'),
]);
const array: RoomArrayData = {
  id: 'a',
  name: 'a',
  info: '',
  location: '',
  color: 'blue',
  x: '10%',
  y: '20%',
  sensors: ['w1', 'w2', 'heat', 't', 'gone'],
};

describe('a row of equipment', () => {
  it('draws what its wattmeters say, not the heat it carries', () => {
    const value = (name: string): number | null => ({ w1: 30, w2: 12, heat: 5_000, t: 21 })[name] ?? null;
    const now = arrayState(array, sensorsByQuantity(array, sensors), value);
    expect([now.watts, now.celsius, now.silent]).toEqual([42, 21, 1]);
  });

  it('stands where the description says, if that is a place', () => {
    expect(['82.5%', '30', '120%', 'left', ''].map(parsePercent)).toEqual([82.5, 30, null, null, null]);
  });

  it('does not cover its neighbour', () => {
    const near = [
      { x: 10, y: 50, width: 1 },
      { x: 15, y: 50, width: 0.6 },
    ];
    expect(maxDiscWidth(near, 1.5)).toBeCloseTo(0.06);
    expect(maxDiscWidth(near.slice(0, 1), 1.5)).toBeCloseTo(0.14);
    expect(maxDiscWidth([{ x: 3, y: 50, width: 1 }], 1.5)).toBeCloseTo(0.05);
  });

  it('has an area as large as its watts', () => {
    expect(discWidth(25, 100)).toBe(0.5);
    expect(discWidth(null, 100)).toBe(0);
  });
});
