import { runQuery } from './client';
import { graphql } from './graphql';
import type { ResultOf } from './graphql';

export const SENSOR = graphql(`
  fragment SensorParts on Sensor @_unmask {
    name
    label
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

export const SensorList = graphql(
  `
    query SensorList($first: Int!, $after: String) {
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

export const SensorByName = graphql(
  `
    query SensorByName($name: ID!) {
      sensor(name: $name) {
        ...SensorParts
      }
    }
  `,
  [SENSOR],
);

/** A sensor's device, errors, events and tree nodes: everything except its readings. */
export const SensorContextPage = graphql(`
  query SensorContextPage($sensors: [ID!]!) {
    devices {
      name
      state
      sensors
      lastError
    }
    sensorErrors {
      sensor
      count
      first
      last
    }
    events(sensors: $sensors, first: 20) {
      totalCount
      edges {
        node {
          id
          kind
          at
          ended
          message
        }
      }
    }
    racks {
      equipment {
        name
        wattmeters
      }
    }
    consumption: energyTree(tree: CONSUMPTION) {
      nodes {
        id
        name
        parent
        target
      }
    }
    production: energyTree(tree: PRODUCTION) {
      nodes {
        id
        name
        parent
        target
      }
    }
  }
`);

export type SensorContextData = ResultOf<typeof SensorContextPage>;

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

export const SensorsByName = graphql(
  `
    query SensorsByName($names: [ID!]!, $first: Int!) {
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

/** Return sensors by name, in one request. A name that does not exist maps to null. */
export async function fetchSensorsByName(names: readonly string[]): Promise<ReadonlyMap<string, SensorData | null>> {
  const { sensors } = await runQuery(SensorsByName, { names: [...names], first: Math.max(1, names.length) });
  const byName = new Map<string, SensorData | null>(names.map((name) => [name, null]));
  for (const { node } of sensors.edges) byName.set(node.name, node);
  return byName;
}

export type SensorData = NonNullable<ResultOf<typeof SensorByName>['sensor']>;
