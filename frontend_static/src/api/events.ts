import { graphql } from './graphql';
import type { ResultOf } from './graphql';

const EVENT = graphql(`
  fragment EventParts on SensorEvent @_unmask {
    id
    sensor
    sensorLabel
    kind
    at
    ended
    noticed
    value
    message
  }
`);

export const EventsPage = graphql(
  `
    query EventsPage($kinds: [EventKind!], $lasting: Boolean, $first: Int!, $after: String) {
      events(kinds: $kinds, lasting: $lasting, first: $first, after: $after) {
        totalCount
        edges {
          node {
            ...EventParts
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [EVENT],
);

export const EventsLive = graphql(
  `
    subscription EventsLive {
      events {
        snapshot
        events {
          ...EventParts
        }
      }
    }
  `,
  [EVENT],
);

export type EventData = ResultOf<typeof EventsPage>['events']['edges'][number]['node'];
