import { graphql } from './graphql';
import type { ResultOf } from './graphql';

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
