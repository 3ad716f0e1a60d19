import type { Span } from '../format/time';
import { stamp } from '../format/time';

/** What a chart asks the server for. */
export interface Asked {
  readonly sensors: readonly string[];
  readonly nodes: readonly string[];
  readonly span: Span;
  readonly points: number;
}

export type Form = 'query' | 'python' | 'curl';
export const FORMS: Record<Form, string> = { query: 'Query', python: 'Python', curl: 'curl' };

const FIELDS = 'sensor node unit window stepSeconds timestamps values min max coverage';

/** The request in one of its forms, ready to be run; `url` is the server's address without a slash at the end. */
export function requestText(form: Form, asked: Asked, url: string): string {
  if (form === 'query') return inlined(asked);
  return form === 'python' ? python(asked, url) : curl(asked, url);
}

function inlined({ sensors, nodes, span, points }: Asked): string {
  const list = (names: readonly string[]): string => `[${names.map((n) => JSON.stringify(n)).join(', ')}]`;
  const which = [
    ...(sensors.length > 0 ? [`sensors: ${list(sensors)}`] : []),
    ...(nodes.length > 0 ? [`nodes: ${list(nodes)}`] : []),
  ];
  return `query Measurements {
  series(
${which.map((line) => `    ${line}`).join('\n')}
    from: "${stamp(span.from)}"
    to: "${stamp(span.to)}"
    maxPoints: ${points}
    statistics: [MEAN, MIN, MAX]
  ) {
    ${FIELDS}
  }
}`;
}

const WITH_VARIABLES = `query Measurements($sensors: [ID!], $nodes: [ID!], $from: DateTime!, $to: DateTime, $points: Int!) {
  series(sensors: $sensors, nodes: $nodes, from: $from, to: $to, maxPoints: $points, statistics: [MEAN, MIN, MAX]) {
    ${FIELDS}
  }
}`;

function variables({ sensors, nodes, span, points }: Asked): Record<string, unknown> {
  return {
    ...(sensors.length > 0 ? { sensors } : {}),
    ...(nodes.length > 0 ? { nodes } : {}),
    from: stamp(span.from),
    to: stamp(span.to),
    points,
  };
}

function python({ sensors, nodes, span, points }: Asked, url: string): string {
  const given = [
    ...(sensors.length > 0 ? [`sensors=${literal(sensors)}`] : []),
    ...(nodes.length > 0 ? [`nodes=${literal(nodes)}`] : []),
    `start="${stamp(span.from)}"`,
    `end="${stamp(span.to)}"`,
    'statistics=["mean", "min", "max"]',
    `points=${points}`,
  ];
  return `import os

from seduce_client import connect  # the client of this server: docs/client.md

with connect(${JSON.stringify(url)}, os.environ.get("SEDUCE_TOKEN")) as seduce:
    # window="1m" instead of points gives every minute, window="raw" every reading of sensors.
    frame = seduce.series(
${given.map((line) => `        ${line},`).join('\n')}
    )
print(frame)`;
}

/** JSON of strings is Python as well, apart from the line it stands on. */
function literal(names: readonly string[]): string {
  if (names.length < 3) return `[${names.map((n) => JSON.stringify(n)).join(', ')}]`;
  return `[\n${names.map((n) => `            ${JSON.stringify(n)},\n`).join('')}        ]`;
}

function curl(asked: Asked, url: string): string {
  const body = JSON.stringify({ query: WITH_VARIABLES.replace(/\s+/g, ' '), variables: variables(asked) }, null, 2);
  return `# Where reads need a log-in, add -H @FILE, with "Authorization: Bearer <token>" in the file.
curl -sS '${url}/graphql' -H 'Content-Type: application/json' --data-binary @- <<'JSON'
${body}
JSON`;
}
