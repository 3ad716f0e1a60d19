import { ask } from '../api/client';
import { DayAgain, type DayData, OverviewAgain, type OverviewData, OverviewPage } from '../api/overview';
import type { SeriesData } from '../api/series';
import { sameHours } from '../lib/tree/dayComparison';
import { isLive, type Range, spanOf, stamp } from '../lib/format/time';
import { clock } from './clock.svelte';
import { session } from './session.svelte';
import { LiveTree } from './tree.svelte';

const AGAIN_MS = 30_000;
const DAY_AGAIN_MS = 300_000;

/** What the first page shows: it comes in one round trip, and is kept up from then on. */
export class LiveOverview {
  readonly consumption = new LiveTree('CONSUMPTION');
  readonly production = new LiveTree('PRODUCTION');
  #figures = $state.raw<OverviewData | null>(null);
  #day = $state.raw<DayData | null>(null);

  /** `nodes`: the roots that are charted and summed up. */
  constructor(private readonly nodes: string[]) {}

  get figures(): OverviewData | null {
    return this.#figures;
  }

  /** Energy of today and of the days it is compared with. */
  get day(): DayData | null {
    return this.#day;
  }

  /** Everything at once; the answer's series are the chart's first lines. */
  async begin(range: Range, points: number): Promise<SeriesData[]> {
    const { from, to } = spanOf(range, clock.read());
    const fixed = isLive(range) ? {} : { to: stamp(to) };
    const data = await ask(OverviewPage, { from: stamp(from), ...fixed, nodes: this.nodes, points, ...this.#hours() });
    this.consumption.seed(data.consumption);
    this.production.seed(data.production);
    this.#figures = data.overview;
    this.#day = data;
    session.is(data.me);
    return data.series;
  }

  watch(): () => void {
    const stops = [this.consumption.watch(), this.production.watch()];
    const again = (work: () => Promise<unknown>, ms: number): ReturnType<typeof setInterval> =>
      setInterval(() => {
        // What fails is asked for again the next time; the age of the data says that it is old.
        if (!document.hidden && this.#figures) work().catch(() => undefined);
      }, ms);
    const timers = [
      again(async () => (this.#figures = (await ask(OverviewAgain, {})).overview), AGAIN_MS),
      again(async () => (this.#day = await ask(DayAgain, { nodes: this.nodes, ...this.#hours() })), DAY_AGAIN_MS),
    ];
    return () => {
      timers.forEach(clearInterval);
      for (const stop of stops) stop();
    };
  }

  #hours() {
    const { today, yesterday, week } = sameHours(clock.read());
    return {
      today: stamp(today.from),
      yesterday: stamp(yesterday.from),
      yesterdayTo: stamp(yesterday.to),
      week: stamp(week.from),
      weekTo: stamp(week.to),
    };
  }
}
