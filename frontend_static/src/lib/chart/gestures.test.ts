import { describe, expect, it } from 'vitest';
import { transformSpan } from './gestures';

const box = { left: 100, width: 200 };
const span = { from: 1_000, to: 2_000 };

describe('a hand on a chart', () => {
  it('pans by what one finger moves', () => {
    expect(transformSpan(span, [150], [200], box)).toEqual({ from: 750, to: 1_750 });
  });

  it('zooms so that what was under two fingers stays under them', () => {
    const next = transformSpan(span, [150, 250], [110, 290], box);
    const at = (x: number, s: { from: number; to: number }) => s.from + ((x - box.left) / box.width) * (s.to - s.from);
    expect(at(110, next)).toBeCloseTo(at(150, span));
    expect(at(290, next)).toBeCloseTo(at(250, span));
  });
});
