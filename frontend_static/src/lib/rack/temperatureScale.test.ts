import { describe, expect, it } from 'vitest';
import { temperatureDomain, temperatureColour, luminance, legendTicks } from './temperatureScale';

const DOMAIN = { low: 15, high: 40 };

describe('the scale of temperatures', () => {
  const scale = Array.from({ length: 101 }, (_, i) => temperatureColour(15 + i / 4, DOMAIN));

  it('only gets lighter, so that it reads without its hues', () => {
    const light = scale.map((s) => luminance(s.colour));
    expect(light.every((l, i) => i === 0 || l >= (light[i - 1] ?? 0))).toBe(true);
  });

  it('has an ink that reads on every colour', () => {
    for (const { colour, ink } of scale) {
      const [a, b] = [luminance(colour), luminance(ink)].sort((x, y) => y - x) as [number, number];
      expect((a + 0.05) / (b + 0.05)).toBeGreaterThan(4.5);
    }
  });

  it('ends at its ends', () => {
    expect(temperatureColour(-20, DOMAIN)).toEqual(temperatureColour(15, DOMAIN));
    expect(temperatureColour(99, DOMAIN)).toEqual(temperatureColour(40, DOMAIN));
  });

  it('stretches in steps to what is there', () => {
    expect(temperatureDomain([20, null, 31.5])).toEqual({ low: 15, high: 40 });
    expect(temperatureDomain([12, 51])).toEqual({ low: 10, high: 55 });
    expect(legendTicks(DOMAIN)).toEqual([15, 20, 25, 30, 35, 40]);
  });
});
