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
 * Why a request failed, in words for the reader; `offline` when the server could not be reached at all, `logIn` when it
 * answers those who are logged in.
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

/** The server closes a connection with it when nobody is known at its other end, or not any more. */
const LOG_IN_AGAIN = 4401;

/** Pings keep proxies from closing a quiet socket; an unanswered one means the line is dead. */
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

/** The server knows the page's documents: their hash says what the text would. A server that does not is sent the text. */
const byHash = persistedExchange({
  enableForSubscriptions: true,
  preferGetForPersistedQueries: false,
  generateHash: (_, document) => Promise.resolve(persisted[nameOf(document as DocumentNode)] ?? ''),
});

/** Answers that follow from the description alone: asked for by GET, so that the browser keeps them and asks only whether they changed. */
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
          // The two libraries write one type in two ways.
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
    const asked = Date.now();
    const response = await fetch(input, init);
    clock.calibrate(response.headers.get('date'), asked, Date.now());
    return response;
  },
});

function explain(error: CombinedError): ApiError {
  if (error.networkError) {
    const status = (error.response as Response | undefined)?.status;
    if (status === undefined) return new ApiError('The server cannot be reached.', true);
    if (status === 401 || status === 403) return new ApiError('Reading needs an account: log in first.', false);
    return new ApiError(`The server answered with status ${status}.`, status >= 502);
  }
  if (error.graphQLErrors.some((e) => e.extensions?.code === 'UNAUTHENTICATED')) {
    session.end();
    return new ApiError('Reading needs an account: log in first.', false, true);
  }
  return new ApiError(error.graphQLErrors.map((e) => e.message).join(' ') || 'The server gave no reason.', false);
}

/** Ask once. Rejects with `ApiError`. */
export async function runQuery<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const result = await client.query(document, variables, { requestPolicy: 'network-only' }).toPromise();
  if (result.error) throw explain(result.error);
  if (!result.data) throw new ApiError('The server sent nothing.', false);
  connection.requestSucceeded();
  return result.data;
}

/** Change something. Rejects with `ApiError`; failures that are to be expected are part of the answer. */
export async function runMutation<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const result = await client.mutation(document, variables).toPromise();
  if (result.error) throw explain(result.error);
  if (!result.data) throw new ApiError('The server sent nothing.', false);
  return result.data;
}

/** Watch until the returned function is called. A lost line comes back by itself and is subscribed again. */
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
