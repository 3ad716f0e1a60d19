import { describe, expect, it } from 'vitest';
import { rangeForKey, scaleRange, shiftRange, zoomRange } from './zoom';

const NOW = 1_000_000_000;
const HOUR = 3_600_000;

describe('driving a chart', () => {
  it('zooms to at least ten seconds and not beyond now', () => {
    expect(zoomRange({ from: NOW - 60_000, to: NOW - 59_000 }, NOW)).toEqual({ from: NOW - 64_500, to: NOW - 54_500 });
    expect(zoomRange({ from: NOW - HOUR, to: NOW + HOUR }, NOW)).toEqual({ from: NOW - HOUR, to: NOW });
  });

  it('scales a live range about now and a fixed one about its middle', () => {
    const span = { from: NOW - 4 * HOUR, to: NOW - 2 * HOUR };
    expect(scaleRange({ last: HOUR }, { from: NOW - HOUR, to: NOW }, 0.5, NOW)).toEqual({ last: HOUR / 2 });
    expect(scaleRange(span, span, 0.5, NOW)).toEqual({ from: NOW - 3.5 * HOUR, to: NOW - 2.5 * HOUR });
  });

  it('follows the clock again once it is moved up to now', () => {
    const span = { from: NOW - 2 * HOUR, to: NOW - HOUR / 2 };
    expect(shiftRange(span, 0.5, NOW)).toEqual({ last: 1.5 * HOUR });
    expect(shiftRange(span, -1, NOW)).toEqual({ from: NOW - 3.5 * HOUR, to: NOW - 2 * HOUR });
  });

  it('leaves other keys alone', () => {
    const span = { from: NOW - HOUR, to: NOW };
    expect(rangeForKey('a', span, span, NOW)).toBeNull();
    expect(rangeForKey('ArrowRight', { last: HOUR }, span, NOW)).toEqual({ last: HOUR });
  });
});
