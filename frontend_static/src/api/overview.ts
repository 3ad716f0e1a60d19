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

/** Today, the same hours of yesterday, and those of a week ago. */
const DAY = graphql(`
  fragment DayParts on Query @_unmask {
    today: energy(nodes: $nodes, from: $today) {
      node
      kwh
      coverage
    }
    yesterday: energy(nodes: $nodes, from: $yesterday, to: $yesterdayTo) {
      node
      kwh
      coverage
    }
    week: energy(nodes: $nodes, from: $week, to: $weekTo) {
      node
      kwh
      coverage
    }
  }
`);

/** Everything the overview shows first, in one round trip. */
export const OverviewPage = graphql(
  `
    query OverviewPage(
      $from: DateTime!
      $to: DateTime
      $nodes: [ID!]!
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
      ...DayParts
      overview {
        ...OverviewParts
      }
      consumption: energyTree(tree: CONSUMPTION) {
        ...TreeParts
      }
      production: energyTree(tree: PRODUCTION) {
        ...TreeParts
      }
      series(nodes: $nodes, from: $from, to: $to, maxPoints: $points, statistics: [MEAN, MIN, MAX]) {
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
  [OVERVIEW, TREE, DAY],
);

export const DayAgain = graphql(
  `
    query DayAgain(
      $nodes: [ID!]!
      $today: DateTime!
      $yesterday: DateTime!
      $yesterdayTo: DateTime!
      $week: DateTime!
      $weekTo: DateTime!
    ) {
      ...DayParts
    }
  `,
  [DAY],
);

export const OverviewAgain = graphql(
  `
    query OverviewAgain {
      overview {
        ...OverviewParts
      }
    }
  `,
  [OVERVIEW],
);

export type OverviewData = ResultOf<typeof OverviewPage>['overview'];

export type DayData = ResultOf<typeof DayAgain>;

export type FigureData = OverviewData['consumption'];

export type ProblemData = OverviewData['problems'][number];
