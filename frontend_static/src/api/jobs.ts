import { graphql } from './graphql';
import type { ResultOf } from './graphql';

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
