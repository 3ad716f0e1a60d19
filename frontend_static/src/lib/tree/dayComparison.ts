import { formatSignificant } from '../format/format';

/** Energy of one stretch of time: kWh are null where nothing was measured. */
export interface EnergyAmount {
  readonly kwh: number | null;
  /** ChartableSeries share of the stretch, 0 to 1. */
  readonly coverage: number;
}

/** Stretches of time that can be compared: the day until now, the same hours yesterday, and a week ago. Epoch milliseconds. */
export interface ComparedHours {
  readonly today: { readonly from: number; readonly to: number };
  readonly yesterday: { readonly from: number; readonly to: number };
  readonly week: { readonly from: number; readonly to: number };
}

/** By the calendar of the reader: where a clock was moved in between, the same hours are further apart than 24 h. */
export function comparedHours(now: number): ComparedHours {
  const daysAgo = (days: number): { from: number; to: number } => {
    const [from, to] = [new Date(now), new Date(now)];
    from.setHours(0, 0, 0, 0);
    for (const t of [from, to]) t.setDate(t.getDate() - days);
    return { from: from.getTime(), to: to.getTime() };
  };
  return { today: daysAgo(0), yesterday: daysAgo(1), week: daysAgo(7) };
}

/** Coverages further apart than this make two sums unlike. */
const COVERAGE_TOLERANCE = 0.05;

/** "+4.2 %" against another stretch; null where the two cannot be compared. */
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
