import { session } from '../live/session.svelte';
import { runQuery, runMutation } from './client';
import { graphql } from './graphql';

/** The reason why a mutation failed. `path` names the field concerned. */
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

/** Load the logged-in user, once per page load. */
export function fetchCurrentUser(): void {
  if (session.isKnown) return;
  // Without an answer the rail shows neither account nor log-in. The page's own requests report the error.
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

/**
 * Return the purpose of a mailed link. Rejects with `ApiError`, or with `Problem` if the link was used or has expired.
 */
export async function fetchMailedLink(token: string): Promise<MailedLink> {
  const { answer } = await runQuery(Link, { token });
  if (answer.__typename === 'MailedLink') return answer;
  throw { message: answer.message, path: answer.path } satisfies Problem;
}

export { runMutation };
