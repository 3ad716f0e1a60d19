import { runQuery } from '../api/client';
import { DayRefresh, type DayData, OverviewRefresh, type OverviewData, OverviewPage } from '../api/overview';
import type { SeriesData } from '../api/series';
import { comparedHours } from '../lib/tree/dayComparison';
import type { RootIds } from '../lib/tree/totals';
import { isLive, type Range, spanOf, toIso } from '../lib/format/time';
import { clock } from './clock.svelte';
import { session } from './session.svelte';
import { LiveTree } from './tree.svelte';

const REFRESH_MS = 30_000;
const DAY_REFRESH_MS = 300_000;

/** The data of the first page. It arrives in one round trip and stays up to date from then on. */
export class LiveOverview {
  readonly consumption = new LiveTree('CONSUMPTION');
  readonly production = new LiveTree('PRODUCTION');
  #figures = $state.raw<OverviewData | null>(null);
  #day = $state.raw<DayData | null>(null);

  get figures(): OverviewData | null {
    return this.#figures;
  }

  /** Energy of today and of the days it is compared with. */
  get day(): DayData | null {
    return this.#day;
  }

  get roots(): RootIds {
    const [consumption, production] = [this.consumption.root?.id, this.production.root?.id];
    return { ...(consumption && { consumption }), ...(production && { production }) };
  }

  /** Load everything at once. Return the series of the two totals over `range`. */
  async load(range: Range, points: number): Promise<SeriesData[]> {
    const { from, to } = spanOf(range, clock.read());
    const end = isLive(range) ? {} : { to: toIso(to) };
    const data = await runQuery(OverviewPage, { from: toIso(from), ...end, points, ...hourVariables() });
    this.consumption.seed(data.consumptionTree);
    this.production.seed(data.productionTree);
    this.#figures = data.overview;
    this.#day = data;
    session.setUser(data.me);
    return [data.consumption.series, data.production.series];
  }

  watch(): () => void {
    const stops = [this.consumption.watch(), this.production.watch()];
    const repeat = (refresh: () => Promise<unknown>, ms: number): ReturnType<typeof setInterval> =>
      setInterval(() => {
        // The next refresh repeats a failed one. Meanwhile the page shows the age of its data.
        if (!document.hidden && this.#figures) refresh().catch(() => undefined);
      }, ms);
    const timers = [
      repeat(async () => (this.#figures = (await runQuery(OverviewRefresh, {})).overview), REFRESH_MS),
      repeat(async () => (this.#day = await runQuery(DayRefresh, hourVariables())), DAY_REFRESH_MS),
    ];
    return () => {
      timers.forEach(clearInterval);
      for (const stop of stops) stop();
    };
  }
}

function hourVariables() {
  const { today, yesterday, week } = comparedHours(clock.read());
  return {
    today: toIso(today.from),
    yesterday: toIso(yesterday.from),
    yesterdayTo: toIso(yesterday.to),
    week: toIso(week.from),
    weekTo: toIso(week.to),
  };
}
