import 'graphiql/setup-workers/vite';
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { Kind, parse, type OperationDefinitionNode } from 'graphql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { newReference } from '../reference.ts';
import { readSession } from '../session.ts';
import { socketClient } from './socket-client.ts';
import { isStorageBlocked, memoryStorage } from './storage.ts';
import { explorerTabs, readingTabs } from './tabs.ts';

const { token } = readSession();
const headers = { Authorization: `Bearer ${token ?? ''}` };
const headersText = JSON.stringify(headers, null, 2);
const tabs = token === undefined ? readingTabs() : explorerTabs(`EXPLORER-${newReference()}`);

/**
 * The explorer tells the name and the document of an operation as it knew them half a second ago,
 * which after a change of tabs is another one; the text itself is always right. And it asks for
 * the schema before there is a headers panel that could say who asks.
 */
const fetcher: Fetcher = (params, options) => {
  const asked = { headers, ...options };
  // The headers panel speaks for both transports: the socket takes it as connection parameters.
  const send = createGraphiQLFetcher({
    url: '/graphql',
    enableIncrementalDelivery: false,
    fetch: fetchInWords,
    wsClient: socketClient(asked.headers),
  });
  const operations = operationsOf(params.query);
  const [only] = operations;
  if (only === undefined || operations.length > 1) return send(params, asked);
  const { name: { value: operationName } = { value: undefined } } = only;
  return send(
    { ...params, operationName: operationName ?? null },
    { ...asked, documentAST: { kind: Kind.DOCUMENT, definitions: [only] } },
  );
};

/** The browser's own words are "Failed to fetch". */
const fetchInWords: typeof fetch = (...request) => fetch(...request).catch((error: unknown) => {
  if (!(error instanceof TypeError)) throw error;
  // The explorer shows the stack of a fault, where it has one.
  throw Object.assign(new Error('The gateway cannot be reached'), { stack: undefined });
});

/** None where the text cannot be read: the gateway says why. */
function operationsOf(text: string): readonly OperationDefinitionNode[] {
  try {
    return parse(text).definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}

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
  ...(isStorageBlocked() ? { storage: memoryStorage() } : {}),
  defaultEditorToolsVisibility: token === undefined ? 'headers' : 'variables',
}, createElement(GraphiQL.Logo, null, 'Top-up gateway')));
