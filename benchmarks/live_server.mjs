// The server of `bench_subscribers` as npm's graphql-ws has it, on ws. Prints its port.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../frontend_static/package.json', import.meta.url));
const { buildSchema } = require('graphql');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocketServer } = require('ws');

const EVERY_MS = 100;
const listeners = new Set();

async function* readings() {
  let wake, waiting = [];
  const hear = (value) => {
    waiting.push(value);
    wake?.();
  };
  listeners.add(hear);
  try {
    yield { readings: { snapshot: true, sensors: ['fan'], timestamps: [0], values: [0] } };
    for (;;) {
      if (waiting.length === 0) await new Promise((resolve) => (wake = resolve));
      const values = waiting;
      waiting = [];
      for (const value of values) yield { readings: { snapshot: false, sensors: ['fan'], timestamps: [Date.now()], values: [value] } };
    }
  } finally {
    listeners.delete(hear);
  }
}

const schema = buildSchema(`
  type Query { nothing: Boolean }
  type ReadingBatch { snapshot: Boolean! sensors: [ID!]! timestamps: [Float!]! values: [Float!]! }
  type Subscription { readings(sensors: [ID!]!): ReadingBatch! }
`);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/graphql', backlog: 2048 });
useServer({ schema, roots: { subscription: { readings } } }, server);
server.on('listening', () => console.log(server.address().port));
// process.hrtime is the monotonic clock that other processes on this machine read too.
setInterval(() => {
  const now = Number(process.hrtime.bigint()) / 1e9;
  for (const hear of listeners) hear(now);
}, EVERY_MS);
