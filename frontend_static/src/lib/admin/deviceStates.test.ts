import { describe, expect, it } from 'vitest';
import type { DeviceData } from '../../api/devices';
import { sortWorstFirst } from './deviceStates';

const device = (name: string, state: DeviceData['state'], errorRate = 0): DeviceData => ({
  name,
  state,
  errorRate,
  method: 'snmp',
  crawler: 'c',
  sensors: [],
  sensorLabels: [],
  missing: [],
  missingLabels: [],
  periodSeconds: 1,
  lastAttempt: null,
  lastSuccess: null,
  nextAttempt: null,
  latencySeconds: null,
  polls: 0,
  failures: 0,
  failuresInARow: 0,
  ticksSkipped: 0,
  lastError: '',
  waiting: 0,
  dropped: 0,
});

describe('devices', () => {
  it('stand with the worst first, then by how often they fail, then by name', () => {
    const found = sortWorstFirst([
      device('pdu 10', 'OK'),
      device('pdu 9', 'OK'),
      device('poe', 'OK', 0.2),
      device('b', 'LOST'),
      device('a', 'REFUSED'),
    ]);
    expect(found.map((d) => d.name)).toEqual(['a', 'b', 'poe', 'pdu 9', 'pdu 10']);
  });
});
