import { describe, expect, it } from 'vitest';
import { isLive, parseRange, rangeToQuery, spanOf, toIso } from './time';

const DAY = 86_400_000;
const parse = (query: string) => parseRange(new URLSearchParams(query), DAY);

describe('a range in the address', () => {
  it('is the default where nothing, or nonsense, is said', () => {
    for (const query of [
      '',
      'range=',
      'range=soon',
      'range=24',
      'from=x&to=y',
      'from=2026-11-23T12:00:00Z',
      'from=2026-11-23T12:00:00Z&to=2026-11-23T11:00:00Z',
    ]) {
      expect(parse(query)).toEqual({ last: DAY });
    }
  });

  it('is the last so many minutes, hours or days', () => {
    expect(parse('range=6h')).toEqual({ last: 6 * 3_600_000 });
    expect(parse('range=90min')).toEqual({ last: 90 * 60_000 });
    expect(parse('range=7d')).toEqual({ last: 7 * DAY });
  });

  it('comes back as it was written', () => {
    for (const range of [
      { last: 3_600_000 },
      { last: 5_400_000 },
      { last: DAY },
      { from: 1_700_000_000_000, to: 1_700_000_060_000 },
    ]) {
      const query = new URLSearchParams();
      for (const [key, value] of Object.entries(rangeToQuery(range, DAY))) if (value !== null) query.set(key, value);
      expect(parseRange(query, DAY)).toEqual(range);
    }
  });

  it('stays out of the address where it is the default', () => {
    expect(rangeToQuery({ last: DAY }, DAY)).toEqual({ range: null, from: null, to: null });
  });
});

it('moves with the clock only where it is live', () => {
  expect(spanOf({ last: 10 }, 100)).toEqual({ from: 90, to: 100 });
  expect(spanOf({ from: 1, to: 2 }, 100)).toEqual({ from: 1, to: 2 });
  expect(isLive({ from: 1, to: 2 })).toBe(false);
});

it('stamps in UTC, whatever the zone here', () => {
  expect(toIso(Date.UTC(2026, 10, 23, 18, 0, 0, 500))).toBe('2026-11-23T18:00:00Z');
});
