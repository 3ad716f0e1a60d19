import { isLive, type Range, type Span } from '../format/time';

const MIN_SPAN_MS = 10_000;
/** Minimum length of a live range. */
const MIN_LIVE_SPAN_MS = 60_000;

/** Return the range of a span selected by dragging or pinching, limited to now. */
export function zoomRange(next: Span, now: number): Range {
  const middle = (next.from + next.to) / 2;
  const half = Math.max(MIN_SPAN_MS, next.to - next.from) / 2;
  return { from: middle - half, to: Math.min(middle + half, now) };
}

/** Scale a span around its middle; a live range around now. */
export function scaleRange(range: Range, span: Span, factor: number, now: number): Range {
  if (isLive(range)) return { last: Math.max(MIN_LIVE_SPAN_MS, range.last * factor) };
  const grow = ((span.to - span.from) * (factor - 1)) / 2;
  return zoomRange({ from: span.from - grow, to: span.to + grow }, now);
}

/** Move by a share of the span. A range moved up to now becomes live. */
export function shiftRange(span: Span, share: number, now: number): Range {
  const length = span.to - span.from;
  const to = span.to + length * share;
  return share > 0 && to >= now ? { last: length } : { from: to - length, to };
}

/** Return the range after a key press; null for keys without a meaning here. */
export function rangeForKey(key: string, range: Range, span: Span, now: number): Range | null {
  if (key === 'ArrowLeft') return shiftRange(span, -0.25, now);
  if (key === 'ArrowRight') return isLive(range) ? range : shiftRange(span, 0.25, now);
  if (key === '+' || key === '=') return scaleRange(range, span, 0.5, now);
  if (key === '-') return scaleRange(range, span, 2, now);
  return key === 'Home' ? { last: 3_600_000 } : null;
}
