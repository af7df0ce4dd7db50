import { randomUUID } from 'node:crypto';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { ComputeManagementClient } from '@azure/arm-compute';
import { KeyVaultManagementClient } from '@azure/arm-keyvault';
import { ManagedServiceIdentityClient } from '@azure/arm-msi';
import { MySQLManagementFlexibleServerClient } from '@azure/arm-mysql-flexible';
import { NetworkManagementClient } from '@azure/arm-network';
import { PrivateDnsManagementClient } from '@azure/arm-privatedns';
import { ResourceManagementClient } from '@azure/arm-resources';
import {
  createHttpHeaders,
  type HttpClient,
  type PipelineRequest,
  type PipelineResponse,
} from '@azure/core-rest-pipeline';
import type { AzureClients } from '../../shared/azure/clients.ts';
import { answerLikeAzure, type Json } from './azureAnswers.ts';

export interface Sent {
  method: string;
  url: string;
  /** Path of the resource, without query. */
  id: string;
  status: number;
  body: Json | undefined;
}

export interface AzureStub {
  azure: AzureClients;
  /** Every request that was not a GET, in order. */
  writes: Sent[];
  requests: Sent[];
  /** What ARM would answer to a GET, by id in lower case; tests change it behind our back. */
  stored: Map<string, Json>;
  find(id: string): Json;
  /** The next PUT of this resource gets this answer. */
  refuseOnce(id: string, status: number, answer: Json): void;
}

/** The real clients over a store that answers as Azure does: with defaults, read-only members and other letter case. */
export function azureStub(subscriptionId: string): AzureStub {
  const stored = new Map<string, Json>();
  const requests: Sent[] = [];
  const refusals = new Map<string, Answer>();
  const httpClient: HttpClient = {
    async sendRequest(request) {
      const { status, answer, headers } = refusal(refusals, request) ?? handle(stored, request);
      const url = new URL(request.url);
      if (status !== 401) {
        const body = typeof request.body === 'string' ? (JSON.parse(request.body) as Json) : undefined;
        requests.push({
          method: request.method,
          url: request.url,
          id: decodeURIComponent(url.pathname).replace(/\/+/g, '/'),
          status,
          body,
        });
      }
      return respond(request, status, answer, headers);
    },
  };
  const credential = { getToken: async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const options = { endpoint: 'https://arm.test', httpClient };
  const azure: AzureClients = {
    authorization: new AuthorizationManagementClient(credential, subscriptionId, options),
    compute: new ComputeManagementClient(credential, subscriptionId, options),
    identities: new ManagedServiceIdentityClient(credential, subscriptionId, options),
    keyVaults: new KeyVaultManagementClient(credential, subscriptionId, options),
    mysql: new MySQLManagementFlexibleServerClient(credential, subscriptionId, options),
    network: new NetworkManagementClient(credential, subscriptionId, options),
    privateDns: new PrivateDnsManagementClient(credential, subscriptionId, options),
    resources: new ResourceManagementClient(credential, subscriptionId, options),
  };
  return {
    azure,
    requests,
    stored,
    get writes() {
      return requests.filter(({ method }) => method !== 'GET');
    },
    refuseOnce: (id, status, answer) => void refusals.set(key(id), { status, answer }),
    find(id) {
      const found = stored.get(key(id));
      if (found === undefined) throw new Error(`${id} is not stored.`);
      return found;
    },
  };
}

const key = (id: string): string => id.toLowerCase().replace(/\/+/g, '/');

interface Answer {
  status: number;
  answer?: Json;
  headers?: Record<string, string>;
}

function refusal(refusals: Map<string, Answer>, request: PipelineRequest): Answer | undefined {
  const id = key(decodeURIComponent(new URL(request.url).pathname));
  const found = request.method === 'PUT' ? refusals.get(id) : undefined;
  refusals.delete(found === undefined ? '' : id);
  return found;
}

function handle(stored: Map<string, Json>, request: PipelineRequest): Answer {
  const id = key(decodeURIComponent(new URL(request.url).pathname));
  const found = stored.get(id);
  if (request.headers.get('authorization') === undefined) {
    const challenge =
      'Bearer authorization="https://login.microsoftonline.com/t", resource="https://management.azure.com"';
    return { status: 401, headers: { 'www-authenticate': challenge } };
  }
  if (request.method === 'GET') return found === undefined ? notFound(id) : { status: 200, answer: found };
  if (request.method === 'DELETE') return { status: stored.delete(id) ? 200 : 204 };
  if (id.endsWith('/reapply')) return reapply(stored.get(id.slice(0, -'/reapply'.length)));
  const body = JSON.parse(String(request.body)) as Json;
  const answer = answerLikeAzure(
    decodeURIComponent(new URL(request.url).pathname),
    request.method === 'PATCH' ? patched(found, body) : body,
  );
  stored.set(id, answer);
  // The client of availability sets takes a 200 only.
  return { status: found === undefined && !id.includes('/availabilitysets/') ? 201 : 200, answer };
}

/** Done in the first answer, for short. */
function reapply(machine: Json | undefined): Answer {
  Object.assign((machine?.properties ?? {}) as Json, { provisioningState: 'Succeeded' });
  return { status: 200 };
}

const notFound = (id: string): Answer => ({
  status: 404,
  answer: { error: { code: 'ResourceNotFound', message: `The Resource '${id}' was not found.` } },
});

/** RFC 7396, as far as ARM's PATCH goes. */
function patched(found: Json | undefined, change: Json): Json {
  const merged: Json = { ...found };
  for (const [name, value] of Object.entries(change)) {
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value) && name !== 'tags';
    merged[name] = nested ? patched(merged[name] as Json | undefined, value as Json) : value;
  }
  return merged;
}

function respond(request: PipelineRequest, status: number, answer: Json | undefined, headers = {}): PipelineResponse {
  const bodyAsText = answer === undefined ? '' : JSON.stringify(answer);
  const all = { 'content-type': 'application/json', 'x-ms-request-id': randomUUID(), ...headers };
  return { request, status, headers: createHttpHeaders(all), bodyAsText };
}
