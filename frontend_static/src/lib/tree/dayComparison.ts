import { formatSignificant } from '../format/format';

/** Energy of a time span. `kwh` is null if nothing was measured. */
export interface EnergyAmount {
  readonly kwh: number | null;
  /** Measured share of the span, 0 to 1. */
  readonly coverage: number;
}

/** Spans that can be compared: today so far, the same hours of yesterday, and of a week ago. Epoch milliseconds. */
export interface ComparedHours {
  readonly today: { readonly from: number; readonly to: number };
  readonly yesterday: { readonly from: number; readonly to: number };
  readonly week: { readonly from: number; readonly to: number };
}

/**
 * Return today so far and the same hours of other days, by the reader's calendar. With a clock change in between, days
 * are not 24 h long.
 */
export function comparedHours(now: number): ComparedHours {
  const daysAgo = (days: number): { from: number; to: number } => {
    const [from, to] = [new Date(now), new Date(now)];
    from.setHours(0, 0, 0, 0);
    for (const t of [from, to]) t.setDate(t.getDate() - days);
    return { from: from.getTime(), to: to.getTime() };
  };
  return { today: daysAgo(0), yesterday: daysAgo(1), week: daysAgo(7) };
}

/** Sums whose coverages differ by more than this are not compared. */
const COVERAGE_TOLERANCE = 0.05;

/** Return the change as "+4.2 %"; null if the two spans cannot be compared. */
export function changeText(now: EnergyAmount | undefined, then: EnergyAmount | undefined): string | null {
  if (
    now?.kwh == null ||
    then?.kwh == null ||
    then.kwh === 0 ||
    Math.abs(now.coverage - then.coverage) > COVERAGE_TOLERANCE
  )
    return null;
  const percent = (100 * (now.kwh - then.kwh)) / Math.abs(then.kwh);
  const text = formatSignificant(percent, 1);
  return `${percent > 0 && text !== '0' ? '+' : ''}${text} %`;
}
