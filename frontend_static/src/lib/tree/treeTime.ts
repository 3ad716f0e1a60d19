import { type Range, parseRange, toIso } from '../format/time';

/** What a tree's figures stand for: now, a moment of the past in W, or a range in Wh. */
export type TreeTime =
  | { readonly kind: 'now' }
  | { readonly kind: 'at'; readonly at: number }
  | { readonly kind: 'over'; readonly range: Range };

/** As the address says it: `at=…`, `show=energy` with a range, or neither. */
export function parseTreeTime(params: URLSearchParams, fallback: number): TreeTime {
  const at = Date.parse(params.get('at') ?? '');
  if (Number.isFinite(at)) return { kind: 'at', at };
  return params.get('show') === 'energy' ? { kind: 'over', range: parseRange(params, fallback) } : { kind: 'now' };
}

/** The query parameters of a moment, of energy, or of now. */
export function treeTimeToQuery(when: TreeTime['kind'], at = 0): Record<string, string | null> {
  return { at: when === 'at' ? toIso(at) : null, show: when === 'over' ? 'energy' : null };
}

const MINUTE = 60_000;

/** What an input of type datetime-local holds: local time, to the minute. */
export function toLocalInput(time: number): string {
  return new Date(time - new Date(time).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

/** Epoch milliseconds; NaN for what is not a time. */
export function parseLocalInput(text: string): number {
  return new Date(text).getTime();
}
