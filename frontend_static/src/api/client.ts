import {
  Client,
  type CombinedError,
  fetchExchange,
  makeOperation,
  mapExchange,
  subscriptionExchange,
  type AnyVariables,
  type TypedDocumentNode,
} from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import type { DocumentNode } from 'graphql';
import { createClient, type FormattedExecutionResult, type Sink } from 'graphql-ws';
import { connection } from '../live/connection.svelte';
import { clock } from '../live/clock.svelte';
import { persisted } from './persisted';
import { session } from '../live/session.svelte';

/**
 * The reason why a request failed, as a sentence for the reader.
 *
 * `offline`: the server could not be reached. `logIn`: the server requires a log-in.
 */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly offline: boolean,
    readonly logIn = false,
  ) {
    super(message);
  }
}

/** WebSocket close code of the server for a connection whose session is missing or over. */
const LOG_IN_AGAIN = 4401;

/** Pings keep proxies from closing a quiet socket. A ping without an answer means that the connection is dead. */
const PING_EVERY_MS = 8_000;
const PONG_WITHIN_MS = 5_000;

function socketUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`;
}

let pongDue: ReturnType<typeof setTimeout> | undefined;

const socket = createClient({
  url: socketUrl,
  keepAlive: PING_EVERY_MS,
  lazyCloseTimeout: 5_000,
  retryAttempts: Infinity,
  shouldRetry: (event) => !(event instanceof CloseEvent && event.code === LOG_IN_AGAIN),
  retryWait: (retries) => connection.waitToRetry(retries),
  on: {
    connecting: () => connection.connecting(),
    connected: () => connection.connected(),
    ping: (received) => {
      if (!received) pongDue = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
    },
    pong: (received) => {
      if (received) clearTimeout(pongDue);
    },
    closed: (event) => {
      clearTimeout(pongDue);
      connection.closed();
      if (event instanceof CloseEvent && event.code === LOG_IN_AGAIN) session.end();
    },
  },
});

function nameOf(document: DocumentNode): string {
  for (const definition of document.definitions) {
    if (definition.kind === 'OperationDefinition') return definition.name?.value ?? '';
  }
  return '';
}

/** Send the hash of a document instead of its text. A server that does not have the hash receives the text. */
const byHash = persistedExchange({
  enableForSubscriptions: true,
  preferGetForPersistedQueries: false,
  generateHash: (_, document) => Promise.resolve(persisted[nameOf(document as DocumentNode)] ?? ''),
});

/**
 * Queries whose answer depends only on the site description. GET lets the browser cache them and revalidate by ETag.
 */
const DESCRIPTIONS = new Set(['RoomPage', 'MeasurementsPage']);
const byGet = mapExchange({
  onOperation: (operation) =>
    operation.kind === 'query' && operation.extensions?.persistedQuery && DESCRIPTIONS.has(nameOf(operation.query))
      ? makeOperation(operation.kind, operation, { ...operation.context, preferGetMethod: 'force' })
      : operation,
});

const client = new Client({
  url: '/graphql',
  preferGetMethod: false,
  exchanges: [
    byHash,
    byGet,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({
          // urql and graphql-ws declare the same type differently.
          unsubscribe: socket.subscribe(
            { ...request, query: request.query ?? '' },
            sink as Sink<FormattedExecutionResult>,
          ),
        }),
      }),
    }),
    fetchExchange,
  ],
  fetch: async (input, init) => {
    const sentAt = Date.now();
    const response = await fetch(input, init);
    clock.calibrate(response.headers.get('date'), sentAt, Date.now());
    return response;
  },
});

function explain(error: CombinedError): ApiError {
  if (error.networkError) {
    const status = (error.response as Response | undefined)?.status;
    if (status === undefined) return new ApiError('The server cannot be reached.', true);
    if (status === 401 || status === 403) return new ApiError('Log in to see this page.', false);
    return new ApiError(`The server responded with status ${status}.`, status >= 502);
  }
  if (error.graphQLErrors.some((e) => e.extensions?.code === 'UNAUTHENTICATED')) {
    session.end();
    return new ApiError('Log in to see this page.', false, true);
  }
  return new ApiError(error.graphQLErrors.map((e) => e.message).join(' ') || 'Unknown server error.', false);
}

/** Run a query once. Rejects with `ApiError`. */
export async function runQuery<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const result = await client.query(document, variables, { requestPolicy: 'network-only' }).toPromise();
  if (result.error) throw explain(result.error);
  if (!result.data) throw new ApiError('The server sent an empty response.', false);
  connection.requestSucceeded();
  return result.data;
}

/** Run a mutation. Rejects with `ApiError`. Expected failures are part of the answer. */
export async function runMutation<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const result = await client.mutation(document, variables).toPromise();
  if (result.error) throw explain(result.error);
  if (!result.data) throw new ApiError('The server sent an empty response.', false);
  return result.data;
}

/** Subscribe until the returned function is called. After a lost connection the subscription is restored. */
export function subscribe<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  next: (data: Data) => void,
  failed: (error: ApiError) => void = () => undefined,
): () => void {
  const { unsubscribe } = client.subscription(document, variables).subscribe((result) => {
    if (result.error) failed(explain(result.error));
    else if (result.data) next(result.data);
  });
  return unsubscribe;
}
