import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './explorer.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createClient } from 'graphql-ws';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { examples } from './examples';

const socket = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  lazy: true,
});
const fetcher = createGraphiQLFetcher({ url: '/graphql', wsClient: socket });
const defaultTabs = examples().map(({ query, variables }) => ({ query, variables: variables ?? '' }));

const target = document.getElementById('explorer');
if (target) createRoot(target).render(createElement(GraphiQL, { fetcher, defaultTabs, shouldPersistHeaders: false }));
