import { describe, expect, it } from 'vitest';
import type { DeviceData } from '../../api/devices';
import { sortWorstFirst, splitDeviceName } from './deviceStates';

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
  it('are sorted by state, then by error rate, then by label', () => {
    const sorted = sortWorstFirst([
      device('pdu 10', 'OK'),
      device('pdu 9', 'OK'),
      device('poe', 'OK', 0.2),
      device('b', 'LOST'),
      device('a', 'REFUSED'),
    ]);
    expect(sorted.map((d) => d.name)).toEqual(['a', 'b', 'poe', 'pdu 9', 'pdu 10']);
  });

  it('have a label, and an address behind it', () => {
    expect(splitDeviceName('snmp 10.0.3.1:161 (pdu-Z1.10)')).toEqual({
      label: 'pdu-Z1.10',
      address: 'snmp 10.0.3.1:161',
    });
    expect(splitDeviceName('weather')).toEqual({ label: 'weather', address: '' });
  });
});
