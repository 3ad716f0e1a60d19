import { graphql } from './graphql';
import type { ResultOf } from './graphql';

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
      missingLabels
      unknown
      wrongLabels
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

export const RepairQueries = graphql(`
  mutation RepairQueries($names: [ID!]!) {
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
