// Runs documents with npm clients against a server, and prints each answer as a line of JSON.
// node ask.mjs URL '{"name": {"query": "…", "variables": {}, "client": "urql" | "graphql-ws"}}'
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../frontend_static/package.json', import.meta.url));
const { Client, fetchExchange, subscriptionExchange } = require('@urql/core');
const { persistedExchange } = require('@urql/exchange-persisted');
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');

const [url, requestsJson] = process.argv.slice(2);
const socket = createClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, lazy: true });
const urql = new Client({
  url,
  preferGetMethod: false,
  exchanges: [
    persistedExchange({ preferGetForPersistedQueries: false, enableForSubscriptions: true }),
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
      }),
    }),
    fetchExchange,
  ],
});

/** The first result of a subscription, or the only one of a query. */
function overUrql({ query, variables }) {
  if (!/^\s*subscription\b/m.test(query)) return urql.query(query, variables, { requestPolicy: 'network-only' }).toPromise();
  return new Promise((resolve) => {
    const { unsubscribe } = urql.subscription(query, variables).subscribe((result) => {
      resolve(result);
      setTimeout(() => unsubscribe());
    });
  });
}

async function overSocket(request) {
  const results = socket.iterate(request);
  const { value } = await results.next();
  await results.return();
  return value;
}

// Twice: urql first sends the text with its hash, then the hash only.
const requests = Object.entries(JSON.parse(requestsJson));
for (const [name, request] of [...requests, ...requests]) {
  const result = await (request.client === 'urql' ? overUrql(request) : overSocket(request));
  const errors = result.error ? [String(result.error)] : result.errors;
  console.log(JSON.stringify({ name, data: result.data, errors }));
}
await socket.dispose();
process.exit(0);
