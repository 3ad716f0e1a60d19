import { describe, expect, it } from 'vitest';
import type { SensorContextData } from '../../api/sensors';
import { sensorContext } from './sensorContext';

const data: SensorContextData = {
  devices: [{ name: 'snmp pdu', state: 'OK', sensors: ['a', 'b'], lastError: '' }],
  sensorErrors: [{ sensor: 'b', count: 3, first: '2026-11-24T10:00:00Z', last: '2026-11-24T11:00:00Z' }],
  events: { totalCount: 0, edges: [] },
  racks: [{ equipment: [{ name: 'server-1', wattmeters: ['a'] }] }],
  consumption: {
    nodes: [
      { id: 'root', name: 'Root', parent: null, target: null },
      { id: 'rack', name: 'Rack', parent: 'root', target: null },
      { id: 'leaf', name: 'Leaf', parent: 'rack', target: 'a' },
    ],
  },
  production: { nodes: [] },
};

describe('what stands around a sensor', () => {
  it('names its device, what it meters, and the nodes it counts in from the root down', () => {
    const path = sensorContext('a', data);
    expect([path.device?.name, path.errors, path.meters]).toEqual(['snmp pdu', null, ['server-1']]);
    expect(path.nodes.map((n) => n.id)).toEqual(['root', 'rack', 'leaf']);
  });

  it('leaves out what there is not', () => {
    expect(sensorContext('nothing', data)).toEqual({ device: null, errors: null, meters: [], nodes: [] });
    expect(sensorContext('b', data).errors?.count).toBe(3);
  });
});
