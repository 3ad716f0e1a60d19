import { graphql } from './graphql';

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

const TREE = graphql(`
  fragment TreeParts on EnergyTree @_unmask {
    at
    nodes {
      id
      name
      parent
      target
      watts
      coverage
      sensorsExpected
      sensorsReporting
      missing
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

export const SENSOR = graphql(`
  fragment SensorParts on Sensor @_unmask {
    name
    type
    unit
    location
    method
    parent
    tags
    info
    periodSeconds
    latest {
      time
      value
      ageSeconds
      stale
    }
    rack {
      rack
      side
      position
      servers
    }
  }
`);

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

export const TreeOnce = graphql(
  `
    query TreeOnce($tree: Tree!) {
      energyTree(tree: $tree) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export const TreeAt = graphql(
  `
    query TreeAt($tree: Tree!, $at: DateTime!) {
      energyTree(tree: $tree, at: $at) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export const TreeOver = graphql(`
  query TreeOver($tree: Tree!, $from: DateTime!, $to: DateTime!) {
    energyTreeOver(tree: $tree, from: $from, to: $to) {
      from
      until
      nodes {
        id
        name
        parent
        target
        kwh
        coverage
        sensorsExpected
      }
    }
  }
`);

export const TreeLive = graphql(
  `
    subscription TreeLive($tree: Tree!) {
      energyTree(tree: $tree) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export const ReadingsLive = graphql(`
  subscription ReadingsLive($sensors: [ID!]) {
    readings(sensors: $sensors) {
      snapshot
      sensors
      timestamps
      values
    }
  }
`);

export const SeriesOf = graphql(`
  query SeriesOf($sensors: [ID!], $nodes: [ID!], $from: DateTime!, $to: DateTime, $points: Int!) {
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

export const StatisticsOf = graphql(`
  query StatisticsOf($sensor: ID!, $from: DateTime!, $to: DateTime, $window: Window!, $points: Int!) {
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

export const SensorPage = graphql(
  `
    query SensorPage($first: Int!, $after: String) {
      sensors(first: $first, after: $after) {
        totalCount
        edges {
          node {
            ...SensorParts
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [SENSOR],
);

export const SparksOf = graphql(`
  query SparksOf($sensors: [ID!]!, $from: DateTime!) {
    series(sensors: $sensors, from: $from, window: M1, maxPoints: 61, statistics: []) {
      sensor
      values
    }
  }
`);

export const SensorOne = graphql(
  `
    query SensorOne($name: ID!) {
      sensor(name: $name) {
        ...SensorParts
      }
    }
  `,
  [SENSOR],
);
