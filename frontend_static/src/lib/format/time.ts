/** A span of time in epoch milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The range of a chart: the last `last` ms, following the clock, or a fixed span. */
export type Range = { readonly last: number } | Span;

export interface Preset {
  readonly key: string;
  readonly ms: number;
}

const HOUR = 3_600_000;
export const PRESETS: readonly Preset[] = [
  { key: '1h', ms: HOUR },
  { key: '6h', ms: 6 * HOUR },
  { key: '24h', ms: 24 * HOUR },
  { key: '7d', ms: 168 * HOUR },
  { key: '30d', ms: 720 * HOUR },
];

export function isLive(range: Range): range is { readonly last: number } {
  return 'last' in range;
}

/** Return a key that is equal for equal ranges. The range object is new after every change of the address. */
export function rangeKey(range: Range): string {
  return isLive(range) ? `last ${range.last}` : `${range.from} to ${range.to}`;
}

export function spanOf(range: Range, now: number): Span {
  return isLive(range) ? { from: now - range.last, to: now } : range;
}

/** Return the range in a URL: `from` and `to`, or `range=6h`, or the fallback. Invalid values are ignored. */
export function parseRange(params: URLSearchParams, fallback: number): Range {
  const from = Date.parse(params.get('from') ?? '');
  const to = Date.parse(params.get('to') ?? '');
  if (Number.isFinite(from) && Number.isFinite(to) && from < to) return { from, to };
  const match = /^(\d{1,4})(min|h|d)$/.exec(params.get('range') ?? '');
  if (!match) return { last: fallback };
  const size = { min: 60_000, h: HOUR, d: 24 * HOUR }[match[2] as 'min' | 'h' | 'd'];
  return { last: Math.max(1, Number(match[1])) * size };
}

/** Return the query parameters of a range; null removes a parameter. */
export function rangeToQuery(range: Range, fallback: number): Record<string, string | null> {
  if (!isLive(range)) return { range: null, from: toIso(range.from), to: toIso(range.to) };
  const key = PRESETS.find((p) => p.ms === range.last)?.key ?? `${Math.round(range.last / 60_000)}min`;
  return { range: range.last === fallback ? null : key, from: null, to: null };
}

/** Format as ISO 8601 in UTC, in whole seconds. */
export function toIso(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const MINUTE = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const DAY_YEAR = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

export function formatClock(time: number): string {
  return CLOCK.format(time);
}

/** Format a moment with date and time. */
export function formatMoment(time: number, seconds = true): string {
  return `${DAY.format(time)} ${(seconds ? CLOCK : MINUTE).format(time)}`;
}

/** Format a span for a title. A common day appears once. */
export function formatSpan({ from, to }: Span): string {
  const sameDay = DAY_YEAR.format(from) === DAY_YEAR.format(to);
  const seconds = to - from < 600_000;
  const f = (t: number) => (seconds ? CLOCK : MINUTE).format(t);
  return sameDay
    ? `${DAY.format(from)}, ${f(from)} – ${f(to)}`
    : `${DAY.format(from)} ${f(from)} – ${DAY.format(to)} ${f(to)}`;
}

/** Return the zone of all times shown, as UTC+1 or UTC. */
export function zoneName(time: number): string {
  const minutes = -new Date(time).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes > 0 ? '+' : '−'}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${String(rest).padStart(2, '0')}` : ''}`;
}

/** Return the zone of a span. Both zones appear if the clock changes within it. */
export function zoneNames({ from, to }: Span): string {
  return zoneName(from) === zoneName(to) ? zoneName(to) : `${zoneName(from)} to ${zoneName(to)}`;
}
