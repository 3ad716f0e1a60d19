// The page's documents by their SHA-256: for the server (backend/graphql/persisted.json) what each hash stands for, for the
// page (src/api/persisted.ts) which hash to send for which operation. `--check` fails where the files are not up to date.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringifyDocument } from '@urql/core';
import { createServer } from 'vite';

const root = new URL('..', import.meta.url);
const FOR_SERVER = new URL('../backend/graphql/persisted.json', root);
const FOR_PAGE = new URL('src/api/persisted.ts', root);
const check = process.argv.includes('--check');

const typescript = (texts) =>
  '// Written by `npm run persist`; do not edit.\n\n' +
  '/** SHA-256 of each operation, by its name: what is sent instead of its text. */\n' +
  `export const persisted: Readonly<Record<string, string>> = {\n${texts.map(([name, text]) => `  ${name}: '${sha256(text)}',\n`).join('')}};\n`;

function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

/** Documents are read without a browser, so without what talks to the server. */
const withoutClient = {
  name: 'without-client',
  enforce: 'pre',
  resolveId: (id) => (id.endsWith('/client') ? '\0client' : undefined),
  load: (id) =>
    id === '\0client'
      ? 'export const runQuery = undefined, runMutation = undefined, subscribe = undefined, ApiError = undefined;'
      : undefined,
};

/** Every operation that a module of src/api exports, by its name. */
async function operations() {
  const server = await createServer({
    root: fileURLToPath(root),
    server: { middlewareMode: true, hmr: false, ws: false, watch: null },
    appType: 'custom',
    logLevel: 'error',
    plugins: [withoutClient],
    optimizeDeps: { noDiscovery: true },
  });
  try {
    const found = new Map();
    const files = (await readdir(new URL('src/api', root))).filter(
      (name) => name.endsWith('.ts') && !/\.(test|d)\.ts$|^client\.ts$/.test(name),
    );
    for (const file of files.sort()) {
      for (const value of Object.values(await server.ssrLoadModule(`/src/api/${file}`))) {
        const operation = value?.kind === 'Document' && value.definitions.find((d) => d.kind === 'OperationDefinition');
        if (!operation) continue;
        const name = operation.name?.value;
        const text = stringifyDocument(value);
        if (!name) throw new Error(`src/api/${file}: an operation has no name`);
        if (found.has(name) && found.get(name) !== text) throw new Error(`two operations are called ${name}`);
        found.set(name, text);
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  } finally {
    await server.close();
  }
}

if (!existsSync(FOR_PAGE)) await writeFile(FOR_PAGE, typescript([]));
const found = await operations();
const byHash = Object.fromEntries(found.map(([, text]) => [sha256(text), text]));
let stale = false;
for (const [url, text] of [
  [FOR_SERVER, `${JSON.stringify(byHash, null, 1)}\n`],
  [FOR_PAGE, typescript(found)],
]) {
  const kept = await readFile(url, 'utf8').catch(() => '');
  if (kept === text) continue;
  stale = true;
  if (check) console.error(`${fileURLToPath(url)} is not what src/api says: run \`npm run persist\``);
  else await writeFile(url, text);
}
process.exit(stale && check ? 1 : 0);
