/** Cividis: even lightness steps, readable without red or green vision. Sixteen of its 256 colours. */
const CIVIDIS = [
  '#00224e',
  '#002d6c',
  '#16396d',
  '#2f476b',
  '#42546c',
  '#52616f',
  '#616e73',
  '#6f7b78',
  '#7e8879',
  '#8e9677',
  '#9fa573',
  '#b1b46c',
  '#c3c463',
  '#d5d357',
  '#e8e449',
  '#fee838',
] as const;

export interface Domain {
  readonly low: number;
  readonly high: number;
}

/** Usual temperatures of a data hall, in °C. */
export const DEFAULT_DOMAIN: Domain = { low: 15, high: 40 };
const STEP = 5;

/**
 * Return the default domain, extended in whole steps to all values. All racks share it, so that a colour means one
 * temperature.
 */
export function temperatureDomain(values: Iterable<number | null | undefined>): Domain {
  let { low, high } = DEFAULT_DOMAIN;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    while (value < low) low -= STEP;
    while (value > high) high += STEP;
  }
  return { low, high };
}

function channels(colour: string): [number, number, number] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) as [number, number, number];
}

/** Return the colour of a temperature, and the text colour that is readable on it. */
export function temperatureColour(value: number, { low, high }: Domain): { colour: string; ink: string } {
  const place = Math.min(1, Math.max(0, (value - low) / (high - low))) * (CIVIDIS.length - 1);
  const at = Math.min(CIVIDIS.length - 2, Math.floor(place));
  const a = channels(CIVIDIS[at] ?? CIVIDIS[0]);
  const b = channels(CIVIDIS[at + 1] ?? CIVIDIS[0]);
  const mixed = a.map((c, i) => Math.round(c + ((b[i] ?? c) - c) * (place - at)));
  const colour = `#${mixed.map((c) => c.toString(16).padStart(2, '0')).join('')}`;
  return { colour, ink: luminance(colour) > 0.179 ? '#000000' : '#ffffff' };
}

/** Return the relative luminance of WCAG, 0 to 1. */
export function luminance(colour: string): number {
  const [r, g, b] = channels(colour).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  ) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The whole scale, for a legend. */
export const GRADIENT = `linear-gradient(to right, ${CIVIDIS.join(', ')})`;

/** Return the numbers of a legend. */
export function legendTicks({ low, high }: Domain): number[] {
  return Array.from({ length: Math.floor((high - low) / STEP) + 1 }, (_, i) => low + i * STEP);
}
