import { session } from '../live/session.svelte';
import { runQuery, runMutation } from './client';
import { graphql } from './graphql';

/** Why something was not done; `path` names the field that it is about. */
export interface Problem {
  readonly message: string;
  readonly path: readonly string[];
}

const Me = graphql(`
  query Me {
    me {
      email
      isAdmin
    }
  }
`);

/** Asks who sits here, once a page load. */
export function fetchCurrentUser(): void {
  if (session.isKnown) return;
  // Without an answer the rail shows neither; the page's own questions tell what is wrong.
  runQuery(Me, {}).then(
    (data) => session.setUser(data.me),
    () => undefined,
  );
}

export const LogIn = graphql(`
  mutation LogIn($email: String!, $password: String!) {
    answer: logIn(email: $email, password: $password) {
      __typename
      ... on Failure {
        message
        path
      }
    }
  }
`);

export const LogOut = graphql(`
  mutation LogOut {
    logOut
  }
`);

export const SignUp = graphql(`
  mutation SignUp($email: String!, $password: String!, $firstName: String!, $lastName: String!) {
    answer: signUp(email: $email, password: $password, firstName: $firstName, lastName: $lastName) {
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

export const ConfirmEmail = graphql(`
  mutation ConfirmEmail($token: String!, $password: String!) {
    answer: confirmEmail(token: $token, password: $password) {
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

export const RequestReset = graphql(`
  mutation RequestReset($email: String!) {
    answer: requestPasswordReset(email: $email) {
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

export const ResetPassword = graphql(`
  mutation ResetPassword($token: String!, $password: String!) {
    answer: resetPassword(token: $token, password: $password) {
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

export const Decide = graphql(`
  mutation Decide($token: String!, $approve: Boolean!) {
    answer: decideRequest(token: $token, approve: $approve) {
      __typename
      ... on User {
        email
        state
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

const Link = graphql(`
  query Link($token: String!) {
    answer: mailedLink(token: $token) {
      __typename
      ... on MailedLink {
        purpose
        email
        name
      }
      ... on Failure {
        message
        path
      }
    }
  }
`);

export interface MailedLink {
  readonly purpose: 'CONFIRM' | 'RESET' | 'DECIDE';
  readonly email: string;
  readonly name: string;
}

/** What a mailed link is for. Rejects with `ApiError`, or with a `Problem` where it is spent. */
export async function fetchMailedLink(token: string): Promise<MailedLink> {
  const { answer } = await runQuery(Link, { token });
  if (answer.__typename === 'MailedLink') return answer;
  throw { message: answer.message, path: answer.path } satisfies Problem;
}

export { runMutation };
