import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

/** How scalars travel: amounts as text, so that no float ever stands between two of them. */
const scalars = {
  CountryCode: 'string',
  CurrencyCode: 'string',
  DateTime: 'string',
  Decimal: 'string',
  SafeInt: 'number',
};

const config = {
  useTypeImports: true,
  enumsAsTypes: true,
  strictScalars: true,
  scalars,
};

/**
 * Typed operations of schema/operations: once as text, for the client that other programs import,
 * and once as documents, for frontends with a GraphQL library of their own.
 */
const codegen: CodegenConfig = {
  schema: 'schema/schema.graphql',
  documents: 'schema/operations/*.graphql',
  importExtension: '.ts',
  generates: {
    'src/client/generated/': {
      preset: 'client',
      presetConfig: {
        // The client hands on what it was asked for, whole.
        fragmentMasking: false,
        persistedDocuments: { hashAlgorithm: 'sha256' },
      },
      config: { ...config, documentMode: 'string' },
    },
    'test/frontend/generated/': {
      preset: 'client',
      // Caches of Apollo Client and urql need type names to find fragments in an answer; to what is
      // named by its id nobody can add them.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: 'readFragment' },
        persistedDocuments: { hashAlgorithm: 'sha256' },
      },
      config,
    },
  },
};

export default codegen;
