import { graphql } from './graphql';
import type { ResultOf } from './graphql';

const USER = graphql(`
  fragment UserParts on User @_unmask {
    id
    email
    firstName
    lastName
    pictureUrl
    isAdmin
    state
    created
    lastLogIn
  }
`);

export const UsersPage = graphql(
  `
    query UsersPage($state: UserState, $search: String, $first: Int!, $after: String) {
      users(state: $state, search: $search, first: $first, after: $after) {
        totalCount
        edges {
          node {
            ...UserParts
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [USER],
);
export type UserData = ResultOf<typeof UsersPage>['users']['edges'][number]['node'];

const CHANGED = graphql(
  `
    fragment UserAnswer on UserResult @_unmask {
      __typename
      ... on User {
        ...UserParts
      }
      ... on Failure {
        message
        path
      }
    }
  `,
  [USER],
);
export const USER_ACTIONS = {
  approve: graphql(
    `
      mutation ApproveUser($id: ID!) {
        answer: approveUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
  disapprove: graphql(
    `
      mutation DisapproveUser($id: ID!) {
        answer: disapproveUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
  deauthorize: graphql(
    `
      mutation DeauthorizeUser($id: ID!) {
        answer: deauthorizeUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
  reauthorize: graphql(
    `
      mutation ReauthorizeUser($id: ID!) {
        answer: reauthorizeUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
  promote: graphql(
    `
      mutation PromoteUser($id: ID!) {
        answer: promoteUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
  demote: graphql(
    `
      mutation DemoteUser($id: ID!) {
        answer: demoteUser(id: $id) {
          ...UserAnswer
        }
      }
    `,
    [CHANGED],
  ),
} as const;
export type UserAction = keyof typeof USER_ACTIONS;

export const DeleteUser = graphql(`
  mutation DeleteUser($id: ID!) {
    answer: deleteUser(id: $id) {
      __typename
      ... on Done {
        message
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

export const KeysPage = graphql(`
  query KeysPage {
    deviceKeys {
      id
      name
      network
      created
      lastUsed
    }
  }
`);
export type KeyData = ResultOf<typeof KeysPage>['deviceKeys'][number];

export const CreateKey = graphql(`
  mutation CreateKey($name: String!, $network: String!) {
    answer: createDeviceKey(name: $name, network: $network) {
      __typename
      ... on NewDeviceKey {
        secret
        key {
          id
          name
          network
          created
          lastUsed
        }
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

const ENDED = graphql(`
  fragment EndAnswer on EndResult @_unmask {
    __typename
    ... on Done {
      message
    }
    ... on Failure {
      message
      path
    }
  }
`);
export const DeleteKey = graphql(
  `
    mutation DeleteKey($id: ID!) {
      answer: deleteDeviceKey(id: $id) {
        ...EndAnswer
      }
    }
  `,
  [ENDED],
);

export const AuditPage = graphql(`
  query AuditPage($kinds: [AuditKind!], $first: Int!, $after: String) {
    auditLog(kinds: $kinds, first: $first, after: $after) {
      entries {
        id
        time
        kind
        actor {
          email
        }
        subject {
          email
        }
        address
        details {
          name
          value
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);
export type AuditData = ResultOf<typeof AuditPage>['auditLog']['entries'][number];

export const AccountPage = graphql(
  `
    query AccountPage {
      me {
        ...UserParts
      }
      mySessions {
        id
        created
        lastUsed
        address
        agent
        current
      }
      myTokens {
        id
        name
        scopes
        created
        expires
        lastUsed
        lastAddress
      }
    }
  `,
  [USER],
);
export type SessionData = ResultOf<typeof AccountPage>['mySessions'][number];
export type TokenData = ResultOf<typeof AccountPage>['myTokens'][number];

export const ChangeProfile = graphql(
  `
    mutation ChangeProfile($firstName: String!, $lastName: String!, $pictureUrl: String!) {
      answer: changeProfile(firstName: $firstName, lastName: $lastName, pictureUrl: $pictureUrl) {
        __typename
        ... on User {
          ...UserParts
        }
        ... on Failure {
          message
          path
        }
      }
    }
  `,
  [USER],
);

export const ChangePassword = graphql(`
  mutation ChangePassword($currentPassword: String!, $newPassword: String!) {
    answer: changePassword(currentPassword: $currentPassword, newPassword: $newPassword) {
      __typename
      ... on Done {
        message
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

export const DeleteAccount = graphql(`
  mutation DeleteAccount($password: String!) {
    answer: deleteMyAccount(password: $password) {
      __typename
      ... on Done {
        message
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

export const CreateToken = graphql(`
  mutation CreateToken($name: String!, $scopes: [Scope!]!, $days: Int!) {
    answer: createToken(name: $name, scopes: $scopes, days: $days) {
      __typename
      ... on NewToken {
        secret
        token {
          id
          name
          scopes
          created
          expires
          lastUsed
          lastAddress
        }
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

export const DeleteToken = graphql(
  `
    mutation DeleteToken($id: ID!) {
      answer: deleteToken(id: $id) {
        ...EndAnswer
      }
    }
  `,
  [ENDED],
);
export const EndSession = graphql(
  `
    mutation EndSession($id: ID!) {
      answer: endSession(id: $id) {
        ...EndAnswer
      }
    }
  `,
  [ENDED],
);
export const EndOtherSessions = graphql(`
  mutation EndOtherSessions {
    endOtherSessions
  }
`);
