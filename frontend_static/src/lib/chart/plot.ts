import uPlot from 'uplot';
import { resolveColour, withAlpha } from './seriesColours';
import { toQuantity, unitSymbol } from '../format/format';
import { align, type Line, partialSpans } from './series';
import type { Span } from '../format/time';

/** Axes of these units start at zero, because lengths are compared. */
const ZERO_BASED_UNITS = new Set(['W', 'kW', 'Wh', 'kWh', 'VA', 'A']);
const FONT = '11px Inter, "Inter fallback", system-ui, sans-serif';
const BAND_ALPHA = 0.17;
/**
 * Above this total number of points lines are drawn thin. Thick lines are harder to read and take ten times as long.
 */
const DENSE = 4_000;
const WIDTH = { dense: 1, usual: 1.6 };
const DAY = 86_400_000;
const FADED = 0.2;

export interface PlotOptions {
  readonly host: HTMLElement;
  /** Returns the lines that are drawn at present. */
  readonly lines: () => readonly Line[];
  readonly height: number;
  readonly span: () => Span;
  readonly sync: string | undefined;
  readonly onzoom: (span: Span) => void;
  readonly oncursor: (time: number | null) => void;
}

/** Return a key of everything that needs a new plot when it changes. */
export function plotKey(lines: readonly Line[]): string {
  return [
    lineWidth(lines),
    ...lines.map((l) => [l.id, l.unit, l.colour, l.dash?.join('-'), l.min !== undefined].join('~')),
  ].join('|');
}

function lineWidth(lines: readonly Line[]): number {
  return lines.reduce((n, l) => n + l.times.length, 0) > DENSE ? WIDTH.dense : WIDTH.usual;
}

/** Return uPlot's columns: times, then for each line its max and min (if it has a band) and its values. */
export function plotData(lines: readonly Line[]): uPlot.AlignedData {
  const columns = lines.flatMap((l) => [
    ...(l.min && l.max
      ? [
          { times: l.times, values: l.max },
          { times: l.times, values: l.min },
        ]
      : []),
    { times: l.times, values: l.values },
  ]);
  const aligned = align(columns);
  return [aligned.times, ...aligned.columns] as uPlot.AlignedData;
}

export function makePlot(options: PlotOptions): uPlot {
  const { host } = options;
  const lines = options.lines();
  const ink = resolveColour(host, '--ink-3');
  const grid = resolveColour(host, '--grid');
  const warn = resolveColour(host, '--warn');
  const units = [...new Set(lines.map((l) => unitSymbol(l.unit)))];
  const { series, bands } = seriesAndBands(host, lines);
  return new uPlot(
    {
      width: host.clientWidth,
      height: options.height,
      ms: 1,
      // Room for the half of the last label that extends beyond the axis.
      padding: [14, units.length > 1 ? 0 : 24, 0, 0],
      legend: { show: false },
      focus: { alpha: FADED },
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: 6 },
        points: { size: 7, width: 1.5 },
        ...(options.sync ? { sync: sharedCursor(options.sync) } : {}),
      },
      scales: {
        x: { time: true, range: () => [options.span().from, options.span().to] },
        ...Object.fromEntries(units.map((unit) => [unit, { range: rangeOf(unit) }])),
      },
      axes: [
        {
          stroke: ink,
          font: FONT,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          size: 30,
          gap: 8,
          space: 74,
          values: timeLabels,
        },
        ...units.map((unit, i): uPlot.Axis => ({
          scale: unit,
          side: i === 0 ? 3 : 1,
          stroke: ink,
          font: FONT,
          size: 58,
          gap: 8,
          space: 44,
          grid: { show: i === 0, stroke: grid, width: 1 },
          ticks: { show: false },
          values: (_, splits) => valueLabels(splits, unit),
        })),
      ],
      series,
      bands,
      hooks: {
        setCursor: [
          (u) =>
            options.oncursor(
              u.cursor.idx === null || u.cursor.idx === undefined || (u.cursor.left ?? -1) < 0
                ? null
                : u.posToVal(u.cursor.left ?? 0, 'x'),
            ),
        ],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const from = u.posToVal(u.select.left, 'x');
            const to = u.posToVal(u.select.left + u.select.width, 'x');
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            options.onzoom({ from, to });
          },
        ],
        drawClear: [(u) => hatchPartial(u, options.lines(), warn)],
      },
    },
    plotData(lines),
    host,
  );
}

/** Share the cursor by time. A drag stays with its own chart. */
function sharedCursor(key: string): uPlot.Cursor.Sync {
  const pub = (type: string): boolean => type === 'mousemove' || type === 'mouseleave' || type === 'mouseenter';
  return { key, setSeries: false, scales: ['x', null], filters: { pub } };
}

/** Highlight one line; null removes the highlight. */
export function highlightLine(plot: uPlot, lines: readonly Line[], id: string | null): void {
  let at = 1;
  for (const line of lines) {
    if (line.min && line.max) at += 2;
    if (line.id === id) return plot.setSeries(at, { focus: true });
    at += 1;
  }
  plot.setSeries(null, { focus: false });
}

function seriesAndBands(host: HTMLElement, lines: readonly Line[]): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const width = lineWidth(lines);
  for (const line of lines) {
    const colour = resolveColour(host, line.colour);
    const scale = unitSymbol(line.unit);
    if (line.min && line.max) {
      bands.push({ series: [series.length, series.length + 1], fill: withAlpha(colour, BAND_ALPHA) });
      const edge: uPlot.Series = { scale, points: { show: false }, stroke: 'transparent', width: 0 };
      series.push(edge, { ...edge });
    }
    series.push({
      scale,
      stroke: colour,
      width,
      dash: [...(line.dash ?? [])],
      points: { show: false },
      spanGaps: false,
    });
  }
  return { series, bands };
}

function rangeOf(unit: string): (u: uPlot, low: number | null, high: number | null) => uPlot.Range.MinMax {
  return (_, low, high) => {
    if (low === null || high === null) return [0, 1];
    if (ZERO_BASED_UNITS.has(unit)) {
      const room = Math.max(high - Math.min(0, low), 1e-3) * 0.06;
      return [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
    }
    const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.005, 0.05);
    return [low - room, high + room];
  };
}

/** Return tick labels in one SI prefix, with as many decimals as their step needs. The last one states the unit. */
export function valueLabels(splits: readonly number[], unit: string): string[] {
  const top = splits.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const shown = toQuantity(top, unit).unit;
  const base = unit === 'kW' ? 1e3 : 1;
  const factor = shown === unitSymbol(unit) ? 1 : ({ k: 1e3, M: 1e6, G: 1e9 }[shown[0] ?? ''] ?? 1) / base;
  const step = Math.abs((splits[1] ?? 0) - (splits[0] ?? 0)) / factor;
  // Use the fewest decimals that show the step exactly: 2.5 must not be labelled 3.
  const exact = (d: number): boolean => Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6;
  const fine = [0, 1, 2].find(exact) ?? 3;
  return splits.map((v, i) => {
    const text = (v / factor).toFixed(fine).replace('-', '−');
    return i === splits.length - 1 && shown ? `${text} ${shown}` : text;
  });
}

const HM = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const HMS = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DM = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** Return the time of day, or the date at midnight. */
function timeLabels(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map((time) => {
    const date = new Date(time);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    if (step >= DAY || midnight) return DM.format(date);
    return (step >= 60_000 ? HM : HMS).format(date);
  });
}

/** Draw a hatched strip at the bottom wherever a line has partial windows. */
function hatchPartial(u: uPlot, lines: readonly Line[], colour: string): void {
  const { ctx, bbox } = u;
  const size = 5 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  for (const { from, to } of lines.flatMap(partialSpans)) {
    const left = Math.max(bbox.left, u.valToPos(from, 'x', true));
    const right = Math.min(bbox.left + bbox.width, u.valToPos(to, 'x', true));
    if (right > left) ctx.rect(left, bbox.top + bbox.height - size, right - left, size);
  }
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = bbox.left - size; x < bbox.left + bbox.width; x += 4 * devicePixelRatio) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + size, bbox.top + bbox.height - size);
  }
  ctx.stroke();
  ctx.restore();
}
