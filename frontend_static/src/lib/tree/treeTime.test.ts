import { describe, expect, it } from 'vitest';
import { parseLocalInput, toLocalInput, parseTreeTime, treeTimeToQuery } from './treeTime';

const HOUR = 3_600_000;
const params = (text: string) => parseTreeTime(new URLSearchParams(text), HOUR);

describe('when a tree is shown', () => {
  it('is now, a moment, or a range', () => {
    expect(params('')).toEqual({ kind: 'now' });
    expect(params('at=2026-11-23T10:00:00Z')).toEqual({ kind: 'at', at: Date.UTC(2026, 10, 23, 10) });
    expect(params('show=energy&range=24h')).toEqual({ kind: 'over', range: { last: 24 * HOUR } });
    expect(params('at=nonsense')).toEqual({ kind: 'now' });
  });

  it('comes back from the address as it went in', () => {
    const at = Date.UTC(2026, 10, 23, 10, 30);
    expect(params(new URLSearchParams({ at: treeTimeToQuery('at', at).at ?? '' }).toString())).toEqual({
      kind: 'at',
      at,
    });
    expect(parseLocalInput(toLocalInput(at))).toBe(at);
    expect(parseLocalInput('')).toBeNaN();
  });
});
