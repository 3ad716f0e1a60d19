import { type Range, rangeFrom, stamp } from '../format/time';

/** What a tree's figures stand for: now, a moment of the past in W, or a range in Wh. */
export type When =
  | { readonly kind: 'now' }
  | { readonly kind: 'at'; readonly at: number }
  | { readonly kind: 'over'; readonly range: Range };

/** As the address says it: `at=…`, `show=energy` with a range, or neither. */
export function whenFrom(params: URLSearchParams, fallback: number): When {
  const at = Date.parse(params.get('at') ?? '');
  if (Number.isFinite(at)) return { kind: 'at', at };
  return params.get('show') === 'energy' ? { kind: 'over', range: rangeFrom(params, fallback) } : { kind: 'now' };
}

/** The query parameters of a moment, of energy, or of now. */
export function whenToQuery(when: When['kind'], at = 0): Record<string, string | null> {
  return { at: when === 'at' ? stamp(at) : null, show: when === 'over' ? 'energy' : null };
}

const MINUTE = 60_000;

/** What an input of type datetime-local holds: local time, to the minute. */
export function toLocal(time: number): string {
  return new Date(time - new Date(time).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

/** Epoch milliseconds; NaN for what is not a time. */
export function fromLocal(text: string): number {
  return new Date(text).getTime();
}
