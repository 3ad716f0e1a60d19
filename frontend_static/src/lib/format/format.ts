/** A value for display. `unit` is separate because it is drawn smaller; `full` is the exact form for hover. */
export interface Quantity {
  readonly text: string;
  readonly unit: string;
  readonly full: string;
}

const SYMBOLS: Record<string, string> = {
  celsius: '°C',
  '°c': '°C',
  c: '°C',
  w: 'W',
  watt: 'W',
  watts: 'W',
  kw: 'kW',
  v: 'V',
  a: 'A',
  hz: 'Hz',
  percent: '%',
  '%': '%',
};
const PREFIXED = new Set(['W', 'Wh', 'VA', 'var', 'V', 'A', 'Hz', 'Pa', 'J']);
const PREFIXES: readonly (readonly [number, string])[] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];
const EXACT = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 3 });
const GROUPED = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** Placeholder for a missing value. */
export const NO_VALUE = '—';

/** Return the SI symbol of a unit, or the unit itself if it is unknown. */
export function unitSymbol(unit: string): string {
  return SYMBOLS[unit.trim().toLowerCase()] ?? unit.trim();
}

/**
 * Format with three significant digits and at most `decimals` decimals. The width stays stable while the value changes.
 */
export function formatSignificant(value: number, decimals = 2): string {
  const size = Math.abs(value);
  // The thresholds are where rounding would add a digit: 99.96 becomes 100, not 100.0.
  const fraction = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const text = size >= 999.5 ? GROUPED.format(size) : size.toFixed(Math.min(fraction, decimals));
  if (Number(text.replaceAll(',', '')) === 0) return '0';
  return value < 0 ? `−${text}` : text;
}

/** Return a value with an SI prefix and at most three significant digits. */
export function toQuantity(value: number | null | undefined, unit: string): Quantity {
  let shown = unitSymbol(unit);
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return { text: NO_VALUE, unit: shown, full: 'No value' };
  }
  const full = `${EXACT.format(value).replace('-', '−')}${shown && ` ${shown}`}`;
  let scaled = value;
  if (shown === 'kW') [scaled, shown] = [value * 1e3, 'W'];
  if (PREFIXED.has(shown)) {
    for (const [factor, prefix] of PREFIXES) {
      if (Math.abs(scaled) >= factor * 0.9995) {
        return { text: formatSignificant(scaled / factor), unit: prefix + shown, full };
      }
    }
    return { text: formatSignificant(scaled, Math.abs(scaled) < 0.995 ? 2 : 1), unit: shown, full };
  }
  return { text: formatSignificant(scaled, shown === '' ? 2 : 1), unit: shown, full };
}

/** Return value and unit as one string. */
export function formatQuantity(value: number | null | undefined, unit: string): string {
  const q = toQuantity(value, unit);
  return q.unit && q.text !== NO_VALUE ? `${q.text} ${q.unit}` : q.text;
}

/** Format a time difference in one unit. */
export function formatAge(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  if (s < 5_970) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** Format a length of time that a user selected: 90 min, 24 h, 7 d. */
export function formatDuration(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ] as const;
  for (const [size, name] of units) {
    if (ms >= size && (Number.isInteger(ms / size) || ms >= 3 * size))
      return `${formatSignificant(ms / size, Number.isInteger(ms / size) ? 0 : 1)} ${name}`;
  }
  return `${Math.round(ms / 1000)} s`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${GROUPED.format(count)} ${count === 1 ? one : many}`;
}

export function formatPercent(fraction: number): string {
  // Rounding must not turn "nearly all" into "all", or "a little" into "nothing".
  const percent = fraction < 1 ? Math.min(99, Math.round(fraction * 100)) : 100;
  return percent === 0 && fraction > 0 ? '< 1 %' : `${percent} %`;
}
