import 'graphiql/setup-workers/vite';
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { readSession, socketUrl } from '../session.ts';
import { explorerTabs } from './tabs.ts';

const { token = '' } = readSession();
const headers = { Authorization: `Bearer ${token}` };
const headersText = JSON.stringify(headers, null, 2);
const tabs = explorerTabs(`EXPLORER-${crypto.randomUUID().slice(0, 8)}`);

/** The headers panel speaks for both transports: the socket takes it as connection parameters. */
const send = createGraphiQLFetcher({
  url: '/graphql',
  subscriptionUrl: socketUrl(),
  enableIncrementalDelivery: false,
});

// The schema is asked for before there is a headers panel that could say who asks.
const fetcher: Fetcher = (params, options) => send(params, { headers, ...options });

const root = document.getElementById('explorer');
if (root === null) throw new Error('The page has no place for the explorer');
createRoot(root).render(createElement(GraphiQL, {
  fetcher,
  defaultHeaders: headersText,
  defaultTabs: tabs.map(({ query, variables }) => ({
    query, headers: headersText, variables: JSON.stringify(variables, null, 2),
  })),
  // A token in the browser's storage would outlive the demo that it is for.
  shouldPersistHeaders: false,
  showPersistHeadersSettings: false,
  defaultEditorToolsVisibility: 'variables',
}, createElement(GraphiQL.Logo, null, 'Top-up gateway')));
