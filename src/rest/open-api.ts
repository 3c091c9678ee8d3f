import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import {
  createJsonSchemaTransform, createJsonSchemaTransformObject,
} from 'fastify-type-provider-zod';
import { stringify } from 'yaml';
import { completeDocument, type OpenApiDocument } from './open-api-answers.ts';

/** The version of the API, not of the program: it moves when a promise to callers does. */
const API_VERSION = '1.0.0';

const DESCRIPTION = `Gaming top-ups and mobile recharges.

A client orders, its wallet is debited with the order in one transaction, and the order is kept \
at until it is DELIVERED or clearly FAILED and refunded. Poll until its status is terminal: most \
orders are PENDING for seconds to minutes, some for hours.

- **Amounts** are JSON numbers and exact decimals: no digit is lost on the way in or out.
- **Ids** and sequences are integers below 2^53: keep them in 64 bits.
- **Times** are RFC 3339 in UTC. Fields without a value are left out.
- **Fields may be added, never taken away**: ignore what you do not know.
- **A repeated create is safe only with a \`client_reference\`.**
- **Limits** are counted by class. An answer that was counted says in \`RateLimit\` and \
\`X-RateLimit-*\` what is left, unless you have no limit.
- **Any request** that does not come whole in time may be answered 408, and one with more than \
16 KiB of URL and headers 431, in the form of every refusal.
- Every answer carries \`X-Request-Id\`; name it when you ask us about a request.`;

const TAGS = [
  { name: 'Authentication', description: 'From an API key to tokens, and the end of them.' },
  { name: 'Orders', description: 'Place top-up orders and follow them to their end.' },
  { name: 'Catalogue', description: 'What can be topped up, in which forms and where.' },
  { name: 'Wallets', description: 'What your wallets hold, and what moved in them.' },
  { name: 'Suppliers', description: 'What suppliers tell us.' },
  { name: 'Health', description: 'For those who run the gateway.' },
];

const SECURITY_SCHEMES = {
  bearer: {
    type: 'http' as const,
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token of `/auth/login`.',
  },
  supplierSignature: {
    type: 'apiKey' as const,
    in: 'header',
    name: 'x-signature',
    description: 'HMAC-SHA256 over timestamp and body, in lower-case hex.',
  },
};

const HEAD: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'Top-up gateway',
    version: API_VERSION,
    description: DESCRIPTION,
    contact: { name: 'Support', email: 'support@topup.example' },
    license: { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' },
  },
  // Whoever serves it, behind whatever proxy and at whatever port.
  servers: [{ url: '/', description: 'The server that this document was read from' }],
  security: [{ bearer: [] }],
  tags: TAGS,
  components: { securitySchemes: SECURITY_SCHEMES },
};

interface JsonSchema {
  additionalProperties?: unknown;
  type?: unknown;
  maximum?: number;
  format?: string;
}

/**
 * Answers may gain fields, so their schemas are open; zod would close them. Generators of clients
 * take an integer of no format for one of 32 bits, which ids outgrow.
 */
const zodToJsonConfig = {
  override: ({ jsonSchema }: { jsonSchema: JsonSchema }) => {
    if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    const { type, maximum } = jsonSchema;
    if (type === 'integer' && maximum === Number.MAX_SAFE_INTEGER) jsonSchema.format = 'int64';
  },
};

const transformObject = createJsonSchemaTransformObject({ zodToJsonConfig });

/** Collects the schemas of the routes that are registered on `app` from now on. */
export async function collectRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: HEAD,
    // The path is part of what was promised, whatever the server is.
    stripBasePath: false,
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: (document) => {
      const described = transformObject(document);
      return completeDocument(described as OpenApiDocument) as typeof described;
    },
  });
}

/** The description of all routes, as YAML and as JSON; each is made once, YAML takes 50 ms. */
export function openApiRoutes(app: FastifyInstance): void {
  const texts: { json?: string; yaml?: string } = {};
  const hidden = { schema: { hide: true } };
  app.get('/openapi.json', hidden, async (_request, reply) => {
    reply.type('application/json; charset=utf-8');
    return texts.json ??= JSON.stringify(app.swagger());
  });
  app.get('/openapi.yaml', hidden, async (_request, reply) => {
    reply.type('application/yaml; charset=utf-8');
    return texts.yaml ??= openApiYaml(app.swagger());
  });
}

/** Without aliases, which few readers expect, and for those of YAML 1.1, who see dates in texts. */
export function openApiYaml(document: object): string {
  return stringify(document, {
    aliasDuplicateObjects: false, compat: 'yaml-1.1', blockQuote: 'literal', lineWidth: 100,
  });
}
