import { describe, expect, it } from 'vitest';
import { chartSensors, isRack, mean, type RackData, rackRows, sumWatts } from './racks';

const probe = (sensor: string, side: 'FRONT' | 'BACK' | 'TOP', position: number) => ({
  sensor,
  sensorLabel: sensor,
  side,
  position,
  servers: [],
  celsius: 20,
  ageSeconds: 1,
});
const rack: RackData = {
  id: 'Z1.1',
  units: 42,
  equipment: [
    { name: 'a', type: 'compute', position: 30, wattmeters: ['w1', 'w2'] },
    { name: 's', type: 'switch', position: 36, wattmeters: ['w3'] },
  ],
  probes: [probe('f30', 'FRONT', 30), probe('b30', 'BACK', 30), probe('f1', 'FRONT', 1), probe('t', 'TOP', 42)],
};

describe('a rack', () => {
  const rows = rackRows(rack);

  it('is read from top to bottom, front and back as pairs', () => {
    expect(rows.map((r) => [r.position, r.equipment.map((e) => e.name), r.front?.sensor, r.back?.sensor])).toEqual([
      [36, ['s'], undefined, undefined],
      [30, ['a'], 'f30', 'b30'],
      [1, [], 'f1', undefined],
    ]);
  });

  it('charts a pair of probes, or the power sensors without one', () => {
    expect(rows.map(chartSensors)).toEqual([['w3'], ['f30', 'b30'], ['f1']]);
  });

  it('sums what reports and counts the rest', () => {
    expect(sumWatts(['w1', 'w2'], (s) => (s === 'w1' ? 40 : null))).toEqual({ watts: 40, reporting: 1, expected: 2 });
    expect(sumWatts(['w1'], () => null).watts).toBeNull();
    expect(mean([20, null, 30])).toBe(25);
  });

  it('is told from a room', () => {
    expect(isRack(rack)).toBe(true);
    expect(isRack({ ...rack, equipment: [], probes: [probe('r', 'TOP', 1)] })).toBe(false);
  });
});
