import { graphql } from './graphql';
import type { ResultOf } from './graphql';

export const ChartSeries = graphql(`
  query ChartSeries($sensors: [ID!], $nodes: [ID!], $from: DateTime!, $to: DateTime, $points: Int!) {
    series(sensors: $sensors, nodes: $nodes, from: $from, to: $to, maxPoints: $points, statistics: [MEAN, MIN, MAX]) {
      sensor
      node
      unit
      window
      stepSeconds
      timestamps
      values
      min
      max
      coverage
    }
  }
`);

export const SeriesStatistics = graphql(`
  query SeriesStatistics($sensor: ID!, $from: DateTime!, $to: DateTime, $window: Window!, $points: Int!) {
    series(
      sensors: [$sensor]
      from: $from
      to: $to
      window: $window
      maxPoints: $points
      statistics: [MEAN, MIN, MAX, SUM, COUNT, STDDEV]
    ) {
      window
      timestamps
      values
      mean
      min
      max
      sum
      count
      stddev
      coverage
    }
  }
`);

export const Sparklines = graphql(`
  query Sparklines($sensors: [ID!]!, $from: DateTime!) {
    series(sensors: $sensors, from: $from, window: M1, maxPoints: 61, statistics: []) {
      sensor
      values
    }
  }
`);

/** Racks and tree nodes that can be charted. Sensors are not included: they are searched for. */
export const MeasurementsPage = graphql(`
  query MeasurementsPage {
    racks {
      id
      equipment {
        name
        wattmeters
      }
      probes {
        sensor
      }
    }
    consumption: energyTree(tree: CONSUMPTION) {
      nodes {
        id
        name
      }
    }
    production: energyTree(tree: PRODUCTION) {
      nodes {
        id
        name
      }
    }
  }
`);

/** The first data of some series: by day for years, by hour for data newer than a day. */
export const FirstData = graphql(`
  query FirstData($sensors: [ID!], $nodes: [ID!], $years: DateTime!, $weeks: DateTime!, $points: Int!) {
    days: series(sensors: $sensors, nodes: $nodes, from: $years, window: D1, maxPoints: $points, statistics: []) {
      timestamps
      values
    }
    hours: series(sensors: $sensors, nodes: $nodes, from: $weeks, window: H1, maxPoints: $points, statistics: []) {
      timestamps
      values
    }
  }
`);

export type SeriesData = ResultOf<typeof ChartSeries>['series'][number];

export type StatisticsData = ResultOf<typeof SeriesStatistics>['series'][number];
