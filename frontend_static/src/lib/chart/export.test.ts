import { describe, expect, it } from 'vitest';
import { exportUrl, exportWindow } from './export';

const from = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const request = (hours: number, nodes: string[] = []) => ({
  sensors: ['a b'],
  nodes,
  span: { from, to: from + hours * HOUR },
});

describe('the file of what is charted', () => {
  it('has single readings of a short span, and coarser windows of a long one', () => {
    expect([24, 200, 5_000, 20_000].map((h) => exportWindow(request(h)).window)).toEqual(['raw', '1m', '1h', '1d']);
    expect(exportWindow(request(24, ['datacenter'])).window).toBe('30s');
  });

  it('has an address that says what is in it', () => {
    expect(exportUrl(request(1), 'csv')).toBe(
      '/export?sensors=a%20b&from=2026-11-23T00:00:00Z&to=2026-11-23T01:00:00Z&format=csv',
    );
    expect(exportUrl({ ...request(200), sensors: [], nodes: ['datacenter'] }, 'arrow')).toContain(
      'nodes=datacenter&from=2026-11-23T00:00:00Z',
    );
    expect(exportUrl(request(200), 'parquet')).toContain('&window=1m&format=parquet');
  });
});
