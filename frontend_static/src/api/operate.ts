import { graphql } from './graphql';
import type { ResultOf } from './graphql';

/** Devices, events, continuous queries, jobs and commands: how the system fares, and what can be done about it. */
const DEVICE = graphql(`
  fragment DeviceParts on Device @_unmask {
    name
    method
    crawler
    state
    sensors
    missing
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

/** What is known of a sensor besides its readings. */
export const SensorBackground = graphql(`
  query SensorBackground($sensors: [ID!]!) {
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

export type BackgroundData = ResultOf<typeof SensorBackground>;

const EVENT = graphql(`
  fragment EventParts on SensorEvent @_unmask {
    id
    sensor
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

export const QueriesPage = graphql(`
  query QueriesPage($faulty: Boolean!, $search: String) {
    continuousQueries(faulty: $faulty, search: $search) {
      name
      kind
      window
      expected
      series
      faults
      rolledUpTo
      lagSeconds
      missing
      unknown
      wrong
      dirtyWindows
      lastExecutionSeconds
      lastError
    }
  }
`);
export type QueryData = ResultOf<typeof QueriesPage>['continuousQueries'][number];

export const TasksPage = graphql(`
  query TasksPage {
    periodicTasks {
      name
      periodSeconds
      late
      runs
      failures
      failuresInARow
      lastStart
      lastSuccess
      lastExecutionSeconds
      lastError
    }
  }
`);
export type TaskData = ResultOf<typeof TasksPage>['periodicTasks'][number];

export const Mend = graphql(`
  mutation Mend($names: [ID!]!) {
    answer: mendContinuousQueries(names: $names) {
      __typename
      ... on MendedQueries {
        queries {
          name
          actions
          jobs {
            id
          }
        }
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

const JOB = graphql(`
  fragment JobParts on Job @_unmask {
    id
    batch
    cqName
    kind
    window
    series
    whole
    priority
    state
    timeIntervalStart
    timeIntervalEnd
    doneFrom
    lastExecutionSeconds
    progress
    windows
    windowsDone
    windowsPerSecond
    secondsLeft
    attempts
    lastError
    created
    changed
    ended
  }
`);

export const JobsPage = graphql(
  `
    query JobsPage($first: Int!, $after: String) {
      jobs(first: $first, after: $after) {
        totalCount
        edges {
          node {
            ...JobParts
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [JOB],
);
export const JobsLive = graphql(
  `
    subscription JobsLive {
      jobs {
        snapshot
        jobs {
          ...JobParts
        }
      }
    }
  `,
  [JOB],
);
export type JobData = ResultOf<typeof JobsPage>['jobs']['edges'][number]['node'];

export const CreateJobs = graphql(
  `
    mutation CreateJobs($input: CreateJobsInput!, $dryRun: Boolean!) {
      answer: createJobs(input: $input, dryRun: $dryRun) {
        __typename
        ... on JobPlan {
          dryRun
          windows
          seconds
          measured
          from
          to
          jobs {
            ...JobParts
          }
        }
        ... on Failure {
          message
          path
        }
      }
    }
  `,
  [JOB],
);

const JOBS = graphql(
  `
    fragment JobsAnswer on JobsResult @_unmask {
      __typename
      ... on Jobs {
        jobs {
          ...JobParts
        }
      }
      ... on Failure {
        message
        path
      }
    }
  `,
  [JOB],
);
export const JOB_ACTIONS = {
  pause: graphql(
    `
      mutation PauseJob($id: ID!) {
        answer: pauseJob(id: $id) {
          ...JobsAnswer
        }
      }
    `,
    [JOBS],
  ),
  resume: graphql(
    `
      mutation ResumeJob($id: ID!) {
        answer: resumeJob(id: $id) {
          ...JobsAnswer
        }
      }
    `,
    [JOBS],
  ),
  cancel: graphql(
    `
      mutation CancelJob($id: ID!) {
        answer: cancelJob(id: $id) {
          ...JobsAnswer
        }
      }
    `,
    [JOBS],
  ),
  retry: graphql(
    `
      mutation RetryJob($id: ID!) {
        answer: retryJob(id: $id) {
          ...JobsAnswer
        }
      }
    `,
    [JOBS],
  ),
} as const;
export type JobAction = keyof typeof JOB_ACTIONS;

const PROPERTY = graphql(`
  fragment PropertyParts on CommandProperty @_unmask {
    name
    title
    value
    state
    error
  }
`);

export const CommandsPage = graphql(
  `
    query CommandsPage {
      commands {
        id
        name
        error
        actions {
          name
          title
        }
        properties {
          ...PropertyParts
        }
      }
      auditLog(kinds: [COMMAND], first: 20) {
        entries {
          id
          time
          actor {
            email
          }
          address
          details {
            name
            value
          }
        }
      }
    }
  `,
  [PROPERTY],
);
export type CommandTargetData = ResultOf<typeof CommandsPage>['commands'][number];
export type CommandTraceData = ResultOf<typeof CommandsPage>['auditLog']['entries'][number];

export const RunCommand = graphql(
  `
    mutation RunCommand($target: ID!, $action: String!) {
      answer: runCommand(target: $target, action: $action) {
        __typename
        ... on CommandRun {
          target
          action
          confirmed
          shown {
            ...PropertyParts
          }
        }
        ... on CommandFailed {
          message
          path
          certain
        }
        ... on Failure {
          message
          path
        }
      }
    }
  `,
  [PROPERTY],
);
