import type uPlot from 'uplot';
import type { Span } from '../format/time';

/**
 * Attach pan and zoom to a plot: one finger, or the mouse with Shift, pans; two fingers zoom.
 *
 * The plot follows at once. `onSpan` receives the new span when the gesture ends.
 */
export function attachGestures(
  plot: uPlot,
  spanNow: () => Span,
  onSpan: (span: Span) => void,
  onHold: (now: boolean) => void,
): () => void {
  const over = plot.over;
  const fingers = new Map<number, number>();
  let start: { span: Span; at: number[] } | null = null;
  let next: Span | null = null;

  const positions = (): number[] => [...fingers.values()].slice(0, 2).sort((a, b) => a - b);
  const begin = (): void => {
    start = fingers.size > 0 ? { span: next ?? spanNow(), at: positions() } : null;
  };

  function down(event: PointerEvent): void {
    const pans = event.pointerType === 'touch' || (event.shiftKey && event.button === 0);
    if (!pans) return;
    over.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    onHold(true);
    begin();
  }

  function move(event: PointerEvent): void {
    if (!fingers.has(event.pointerId) || !start) return;
    fingers.set(event.pointerId, event.clientX);
    next = transformSpan(start.span, start.at, positions(), over.getBoundingClientRect());
    plot.setScale('x', { min: next.from, max: next.to });
  }

  function up(event: PointerEvent): void {
    if (!fingers.delete(event.pointerId)) return;
    begin();
    if (fingers.size > 0) return;
    onHold(false);
    if (next) onSpan(next);
    next = null;
  }

  /** Only the mouse zooms by dragging. Shift and touch gestures have other meanings. */
  function mouse(event: MouseEvent): void {
    if (event.shiftKey || fingers.size > 0) event.stopImmediatePropagation();
  }

  const listeners = [
    ['pointerdown', down],
    ['pointermove', move],
    ['pointerup', up],
    ['pointercancel', up],
    ['mousedown', mouse],
  ] as const;
  for (const [name, listener] of listeners) over.addEventListener(name, listener as EventListener, { capture: true });
  return () => {
    for (const [name, listener] of listeners)
      over.removeEventListener(name, listener as EventListener, { capture: true });
  };
}

/** Return the span that keeps the same times under the moved fingers. */
export function transformSpan(
  span: Span,
  before: readonly number[],
  now: readonly number[],
  box: { left: number; width: number },
): Span {
  const length = span.to - span.from;
  const share = (place: number): number => (place - box.left) / box.width;
  const [a = 0, b] = before.map(share);
  const [x = 0, y] = now.map(share);
  if (b === undefined || y === undefined || b - a < 0.02) {
    const by = (x - a) * length;
    return { from: span.from - by, to: span.to - by };
  }
  const wide = (length * (b - a)) / Math.max(0.02, y - x);
  const from = span.from + a * length - x * wide;
  return { from, to: from + wide };
}
