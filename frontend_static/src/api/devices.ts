import { graphql } from './graphql';
import type { ResultOf } from './graphql';

const DEVICE = graphql(`
  fragment DeviceParts on Device @_unmask {
    name
    method
    crawler
    state
    sensors
    sensorLabels
    missing
    missingLabels
    periodSeconds
    lastAttempt
    lastSuccess
    nextAttempt
    latencySeconds
    polls
    failures
    failuresInARow
    errorRate
    ticksSkipped
    lastError
    waiting
    dropped
  }
`);

export const DevicesPage = graphql(
  `
    query DevicesPage {
      devices {
        ...DeviceParts
      }
      sensorErrors {
        sensor
        sensorLabel
        count
        first
        last
      }
    }
  `,
  [DEVICE],
);

export const DevicesLive = graphql(
  `
    subscription DevicesLive {
      deviceHealth {
        snapshot
        devices {
          ...DeviceParts
        }
      }
    }
  `,
  [DEVICE],
);

export type DeviceData = ResultOf<typeof DevicesPage>['devices'][number];

export type SensorErrorsData = ResultOf<typeof DevicesPage>['sensorErrors'][number];
