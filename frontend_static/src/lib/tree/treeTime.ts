import { type Range, parseRange, toIso } from '../format/time';

/** The time that a tree shows: now, a past moment (W), or a range (Wh). */
export type TreeTime =
  | { readonly kind: 'now' }
  | { readonly kind: 'at'; readonly at: number }
  | { readonly kind: 'over'; readonly range: Range };

/** Parse `at=…`, or `show=energy` with a range. Without either it is now. */
export function parseTreeTime(params: URLSearchParams, fallback: number): TreeTime {
  const at = Date.parse(params.get('at') ?? '');
  if (Number.isFinite(at)) return { kind: 'at', at };
  return params.get('show') === 'energy' ? { kind: 'over', range: parseRange(params, fallback) } : { kind: 'now' };
}

/** Return the query parameters of a moment, of energy, or of now. */
export function treeTimeToQuery(when: TreeTime['kind'], at = 0): Record<string, string | null> {
  return { at: when === 'at' ? toIso(at) : null, show: when === 'over' ? 'energy' : null };
}

const MINUTE = 60_000;

/** Return the value of a datetime-local input: local time in minutes. */
export function toLocalInput(time: number): string {
  return new Date(time - new Date(time).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

/** Return epoch milliseconds; NaN for invalid text. */
export function parseLocalInput(text: string): number {
  return new Date(text).getTime();
}
