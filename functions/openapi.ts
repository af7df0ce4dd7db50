import { z } from 'zod';
import { type Route, route } from '../shared/http.ts';

const errorShape = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        target: { type: 'string' },
        details: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              code: { type: 'string' },
              message: { type: 'string' },
              target: { type: 'string' },
              line: { type: 'integer' },
            },
          },
        },
      },
    },
  },
};

type Definition = Route['definition'];

/** The OpenAPI 3.1 document of the routes, from the schemas that parse the requests. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { definition } of routes) {
    paths[definition.path] = {
      ...paths[definition.path],
      [definition.method.toLowerCase()]: describeOperation(definition),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Molcajete',
      version: '0.1.0',
      description: 'The control plane of Apache Guacamole jump servers on Azure.',
    },
    servers: [{ url: '/api' }],
    paths,
    components: {
      schemas: { Error: errorShape },
      securitySchemes: {
        entra: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        functionKey: { type: 'apiKey', in: 'header', name: 'x-functions-key' },
        functionKeyInUrl: { type: 'apiKey', in: 'query', name: 'code' },
      },
    },
  };
}

function describeOperation(definition: Definition): object {
  const { operationId, summary, role, body, contentTypes = ['application/json'] } = definition;
  return {
    operationId,
    summary,
    ...(role === 'anonymous' ? {} : { security: securityOf(role), 'x-role': role }),
    parameters: [...pathParameters(definition), ...queryParameters(definition)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: Object.fromEntries(contentTypes.map((type) => [type, { schema: input(body) }])),
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(definition.responses).map(([status, { description, schema }]) => [
          status,
          {
            description,
            ...(schema === undefined ? {} : { content: { 'application/json': { schema: input(schema) } } }),
          },
        ]),
      ),
      default: {
        description: 'What was wrong, where, and what to do.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

/** Any one of these. */
const securityOf = (role: Definition['role']): object[] =>
  role === 'functionKey' ? [{ functionKey: [] }, { functionKeyInUrl: [] }] : [{ entra: [] }];

const pathParameters = (definition: Definition): object[] =>
  [...definition.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));

function queryParameters(definition: Definition): object[] {
  if (definition.query === undefined) return [];
  const { properties = {}, required = [] } = input(definition.query) as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

/** What a caller sends; transforms and refinements have no form in JSON Schema and are left to the parser. */
const input = (schema: z.ZodType): object => {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return shape;
};

export const openApiRoutes = (all: () => readonly Route[]): Route[] => [
  route(
    {
      operationId: 'OpenApi_Get',
      summary: 'This API as an OpenAPI 3.1 document.',
      method: 'GET',
      path: '/openapi.json',
      role: 'Reader',
      responses: { 200: { description: 'The document.' } },
    },
    async () => ({ body: openApiDocument(all()) }),
  ),
];
