import { TREE } from './energy';
import { graphql } from './graphql';
import type { ResultOf } from './graphql';

const FIGURE = graphql(`
  fragment FigureParts on Figure @_unmask {
    value
    unit
    coverage
    sensorsExpected
    sensorsReporting
    withheld
    history {
      timestamps
      values
    }
  }
`);

const OVERVIEW = graphql(
  `
    fragment OverviewParts on Overview @_unmask {
      at
      sensorsTotal
      sensorsReporting
      consumption {
        ...FigureParts
      }
      production {
        ...FigureParts
      }
      renewableShare {
        ...FigureParts
      }
      pue {
        ...FigureParts
      }
      insideTemperature {
        ...FigureParts
      }
      outsideTemperature {
        ...FigureParts
      }
      problems {
        kind
        message
        sensors
        since
      }
    }
  `,
  [FIGURE],
);

/** Energy of a node today, in the same hours of yesterday, and in those of a week ago. */
const DAYS = graphql(`
  fragment DayParts on EnergyNode @_unmask {
    today: energy(from: $today) {
      kwh
      coverage
    }
    yesterday: energy(from: $yesterday, to: $yesterdayTo) {
      kwh
      coverage
    }
    week: energy(from: $week, to: $weekTo) {
      kwh
      coverage
    }
  }
`);

/** The past of a tree's root, as the overview's chart shows it. */
const TOTAL = graphql(
  `
    fragment TotalParts on EnergyNode @_unmask {
      ...DayParts
      series(from: $from, to: $to, maxPoints: $points, statistics: [MEAN, MIN, MAX]) {
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
  `,
  [DAYS],
);

/** Everything the overview shows first, in one round trip. */
export const OverviewPage = graphql(
  `
    query OverviewPage(
      $from: DateTime!
      $to: DateTime
      $points: Int!
      $today: DateTime!
      $yesterday: DateTime!
      $yesterdayTo: DateTime!
      $week: DateTime!
      $weekTo: DateTime!
    ) {
      me {
        email
        isAdmin
      }
      overview {
        ...OverviewParts
      }
      consumptionTree: energyTree(tree: CONSUMPTION) {
        ...TreeParts
      }
      productionTree: energyTree(tree: PRODUCTION) {
        ...TreeParts
      }
      consumption: energyRoot(tree: CONSUMPTION) {
        ...TotalParts
      }
      production: energyRoot(tree: PRODUCTION) {
        ...TotalParts
      }
    }
  `,
  [OVERVIEW, TREE, TOTAL],
);

export const DayRefresh = graphql(
  `
    query DayRefresh(
      $today: DateTime!
      $yesterday: DateTime!
      $yesterdayTo: DateTime!
      $week: DateTime!
      $weekTo: DateTime!
    ) {
      consumption: energyRoot(tree: CONSUMPTION) {
        ...DayParts
      }
      production: energyRoot(tree: PRODUCTION) {
        ...DayParts
      }
    }
  `,
  [DAYS],
);

export const OverviewRefresh = graphql(
  `
    query OverviewRefresh {
      overview {
        ...OverviewParts
      }
    }
  `,
  [OVERVIEW],
);

export type OverviewData = ResultOf<typeof OverviewPage>['overview'];

/** Energy of the two totals: today and on the days it is compared with. */
export type DayData = ResultOf<typeof DayRefresh>;

export type FigureData = OverviewData['consumption'];

export type ProblemData = OverviewData['problems'][number];
