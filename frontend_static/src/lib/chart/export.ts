import { type Span, stamp } from '../format/time';

const HOUR = 3_600_000;
/** What a file holds for spans up to so long: readings, or roll-ups of a window. */
const FINENESS = [
  { most: 48 * HOUR, window: 'raw', words: 'readings' },
  { most: 240 * HOUR, window: '1m', words: 'minutes' },
  { most: 9_000 * HOUR, window: '1h', words: 'hours' },
] as const;
const COARSEST = { window: '1d', words: 'days' } as const;
/** Nodes have no readings of their own. */
const OF_NODES = { window: '30s', words: '30 s' } as const;

export const EXPORT_FORMATS = { csv: 'CSV', parquet: 'Parquet', arrow: 'Arrow' } as const;
export type ExportFormat = keyof typeof EXPORT_FORMATS;

export interface Exported {
  readonly sensors: readonly string[];
  readonly nodes: readonly string[];
  readonly span: Span;
}

/** How finely these are written to a file, in the server's word and in ours. */
export function fineness({ nodes, span }: Exported): { readonly window: string; readonly words: string } {
  const found = FINENESS.find((f) => span.to - span.from <= f.most) ?? COARSEST;
  return found.window === 'raw' && nodes.length > 0 ? OF_NODES : found;
}

/** Address of the file: programs read it as it stands, with a token. */
export function exportUrl(wanted: Exported, format: ExportFormat): string {
  const { window } = fineness(wanted);
  const list = (name: string, ids: readonly string[]): string[] =>
    ids.length > 0 ? [`${name}=${ids.map(encodeURIComponent).join(',')}`] : [];
  const parts = [
    ...list('sensors', wanted.sensors),
    ...list('nodes', wanted.nodes),
    `from=${stamp(wanted.span.from)}`,
    `to=${stamp(wanted.span.to)}`,
  ];
  return `/export?${[...parts, ...(window === 'raw' ? [] : [`window=${window}`]), `format=${format}`].join('&')}`;
}
