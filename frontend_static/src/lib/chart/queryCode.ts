import type { Span } from '../format/time';
import { toIso } from '../format/time';

/** The data that a chart requests. */
export interface ChartRequest {
  readonly sensors: readonly string[];
  readonly nodes: readonly string[];
  readonly span: Span;
  readonly points: number;
}

export type CodeFormat = 'query' | 'python' | 'curl';
export const CODE_FORMATS: Record<CodeFormat, string> = { query: 'GraphQL', python: 'Python', curl: 'curl' };

const FIELDS = 'sensor node unit window stepSeconds timestamps values min max coverage';

/** Return the request as code, ready to run. `url` is the server's address without a trailing slash. */
export function requestCode(format: CodeFormat, request: ChartRequest, url: string): string {
  if (format === 'query') return graphqlCode(request);
  return format === 'python' ? pythonCode(request, url) : curlCode(request, url);
}

function graphqlCode({ sensors, nodes, span, points }: ChartRequest): string {
  const list = (names: readonly string[]): string => `[${names.map((n) => JSON.stringify(n)).join(', ')}]`;
  const which = [
    ...(sensors.length > 0 ? [`sensors: ${list(sensors)}`] : []),
    ...(nodes.length > 0 ? [`nodes: ${list(nodes)}`] : []),
  ];
  return `query Measurements {
  series(
${which.map((line) => `    ${line}`).join('\n')}
    from: "${toIso(span.from)}"
    to: "${toIso(span.to)}"
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

function variables({ sensors, nodes, span, points }: ChartRequest): Record<string, unknown> {
  return {
    ...(sensors.length > 0 ? { sensors } : {}),
    ...(nodes.length > 0 ? { nodes } : {}),
    from: toIso(span.from),
    to: toIso(span.to),
    points,
  };
}

function pythonCode({ sensors, nodes, span, points }: ChartRequest, url: string): string {
  const args = [
    ...(sensors.length > 0 ? [`sensors=${pythonList(sensors)}`] : []),
    ...(nodes.length > 0 ? [`nodes=${pythonList(nodes)}`] : []),
    `start="${toIso(span.from)}"`,
    `end="${toIso(span.to)}"`,
    'statistics=["mean", "min", "max"]',
    `points=${points}`,
  ];
  return `import os

from seduce_client import connect  # the Python client, see docs/client.md

with connect(${JSON.stringify(url)}, os.environ.get("SEDUCE_TOKEN")) as seduce:
    # Use window="1m" instead of points for every minute, or window="raw" for every reading.
    frame = seduce.series(
${args.map((line) => `        ${line},`).join('\n')}
    )
print(frame)`;
}

/** Return strings as a Python list. JSON strings are valid Python. */
function pythonList(names: readonly string[]): string {
  if (names.length < 3) return `[${names.map((n) => JSON.stringify(n)).join(', ')}]`;
  return `[\n${names.map((n) => `            ${JSON.stringify(n)},\n`).join('')}        ]`;
}

function curlCode(request: ChartRequest, url: string): string {
  const body = JSON.stringify({ query: WITH_VARIABLES.replace(/\s+/g, ' '), variables: variables(request) }, null, 2);
  return `# If reading needs a log-in, add -H @FILE. The file holds "Authorization: Bearer <token>".
curl -sS '${url}/graphql' -H 'Content-Type: application/json' --data-binary @- <<'JSON'
${body}
JSON`;
}
