import { type Span, toIso } from '../format/time';

const HOUR = 3_600_000;
/** The content of a file by the length of its span: readings, or roll-ups of a window. */
const WINDOWS_BY_SPAN = [
  { maxMs: 48 * HOUR, window: 'raw', label: 'readings' },
  { maxMs: 240 * HOUR, window: '1m', label: '1-minute averages' },
  { maxMs: 9_000 * HOUR, window: '1h', label: 'hourly averages' },
] as const;
const COARSEST_WINDOW = { window: '1d', label: 'daily averages' } as const;
/** Nodes have no readings of their own. */
const NODE_WINDOW = { window: '30s', label: '30-second averages' } as const;

export const EXPORT_FORMATS = { csv: 'CSV', parquet: 'Parquet', arrow: 'Arrow' } as const;
export type ExportFormat = keyof typeof EXPORT_FORMATS;

export interface ExportRequest {
  readonly sensors: readonly string[];
  readonly nodes: readonly string[];
  readonly span: Span;
}

/** Return the window of an exported file, with its label. */
export function exportWindow({ nodes, span }: ExportRequest): { readonly window: string; readonly label: string } {
  const choice = WINDOWS_BY_SPAN.find((f) => span.to - span.from <= f.maxMs) ?? COARSEST_WINDOW;
  return choice.window === 'raw' && nodes.length > 0 ? NODE_WINDOW : choice;
}

/** Return the address of a file. Programs can read it with a token. */
export function exportUrl(request: ExportRequest, format: ExportFormat): string {
  const { window } = exportWindow(request);
  const list = (name: string, ids: readonly string[]): string[] =>
    ids.length > 0 ? [`${name}=${ids.map(encodeURIComponent).join(',')}`] : [];
  const parts = [
    ...list('sensors', request.sensors),
    ...list('nodes', request.nodes),
    `from=${toIso(request.span.from)}`,
    `to=${toIso(request.span.to)}`,
  ];
  return `/export?${[...parts, ...(window === 'raw' ? [] : [`window=${window}`]), `format=${format}`].join('&')}`;
}
