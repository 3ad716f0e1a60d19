import type { DayAgain, OverviewPage, SensorOne, SeriesOf, StatisticsOf, TreeLive } from './documents';
import type { ResultOf } from './graphql';

export type OverviewData = ResultOf<typeof OverviewPage>['overview'];
export type DayData = ResultOf<typeof DayAgain>;
export type FigureData = OverviewData['consumption'];
export type ProblemData = OverviewData['problems'][number];
export type EnergyTreeData = ResultOf<typeof TreeLive>['energyTree'];
export type EnergyNodeData = EnergyTreeData['nodes'][number];
export type SeriesData = ResultOf<typeof SeriesOf>['series'][number];
export type StatisticsData = ResultOf<typeof StatisticsOf>['series'][number];
export type SensorData = NonNullable<ResultOf<typeof SensorOne>['sensor']>;
export type TreeKind = 'CONSUMPTION' | 'PRODUCTION';
