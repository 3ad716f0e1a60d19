import { ask } from './client';
import { SENSOR } from './documents';
import { graphql } from './graphql';
import type { SensorData } from './types';

/** What a chart can be made of, apart from the sensors, which are searched for: racks and tree nodes. */
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

export const SensorSearch = graphql(
  `
    query SensorSearch($search: String!, $first: Int!) {
      sensors(search: $search, first: $first) {
        totalCount
        edges {
          node {
            ...SensorParts
          }
        }
      }
    }
  `,
  [SENSOR],
);

/** Where the past of some series begins: by days for years, by hours for what is newer than a day. */
export const BeginningOf = graphql(`
  query BeginningOf($sensors: [ID!], $nodes: [ID!], $years: DateTime!, $weeks: DateTime!, $points: Int!) {
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

export const SensorsNamed = graphql(
  `
    query SensorsNamed($names: [ID!]!, $first: Int!) {
      sensors(names: $names, first: $first) {
        edges {
          node {
            ...SensorParts
          }
        }
      }
    }
  `,
  [SENSOR],
);

/** Sensors by name, in one question; null for a name that there is not. */
export async function sensorsNamed(names: readonly string[]): Promise<ReadonlyMap<string, SensorData | null>> {
  const { sensors } = await ask(SensorsNamed, { names: [...names], first: Math.max(1, names.length) });
  const found = new Map<string, SensorData | null>(names.map((name) => [name, null]));
  for (const { node } of sensors.edges) found.set(node.name, node);
  return found;
}

export const RacksPage = graphql(`
  query RacksPage {
    racks {
      id
      units
      equipment {
        name
        type
        position
        wattmeters
      }
      probes {
        sensor
        side
        position
        servers
        celsius
        ageSeconds
      }
    }
  }
`);

export const RoomPage = graphql(`
  query RoomPage {
    roomPlan {
      url
      aspect
    }
    roomMap {
      id
      name
      info
      location
      color
      x
      y
      sensors
    }
  }
`);
