import type { SeriesData } from '../../api/series';
import { type Line, toLine } from '../chart/series';

/** Label and colour token of each energy tree's total. */
export const TOTALS = {
  consumption: { label: 'Consumption', colour: '--consumption' },
  production: { label: 'Production', colour: '--production' },
} as const;

export type TotalKind = keyof typeof TOTALS;
export const TOTAL_KINDS = Object.keys(TOTALS) as TotalKind[];

/** Ids of the trees' roots. A root is missing until its tree has arrived. */
export type RootIds = Readonly<Partial<Record<TotalKind, string>>>;

/** Return one chart line per total. Series of other nodes are left out. */
export function totalLines(series: readonly SeriesData[], roots: RootIds): Line[] {
  return series.flatMap((each) => {
    const kind = TOTAL_KINDS.find((k) => each.node !== null && roots[k] === each.node);
    return kind ? [toLine(each, TOTALS[kind])] : [];
  });
}
