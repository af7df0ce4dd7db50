/** What `local/azure/main.ts` prints when it listens. */
export interface AzureEndpoints {
  /** `127.7`: the claimed /16. */
  range: string;
  arm: string;
  tenantId: string;
  subscriptionId: string;
  location: string;
  issuer: string;
  identityEndpoint: string;
  identityHeader: string;
  /** Tokens and faults; answers on loopback only. */
  control: string;
  /** PEM file of the local certificate authority. */
  ca: string;
  /** Directory of the hosts files of the virtual networks. */
  hosts: string;
  /** Object id of a principal that owns the subscription. */
  ownerOid: string;
}

/** `<dir>/endpoints.json`: where everything of a running copy listens, for tools. */
export interface Endpoints extends Omit<AzureEndpoints, 'identityHeader'> {
  /** `http://127.0.0.1:20123/api`. */
  api: string;
  apiAudience: string;
  tables: string;
  blobs: string;
  queues: string;
  /** Where users log in, once the first jump server is there. */
  ingress?: string;
}

export interface TokenRequest {
  audience: string;
  oid?: string;
  roles?: string[];
  name?: string;
  expiresInSeconds?: number;
  issuer?: string;
  signWith?: 'other-key';
}

/** Asks a running local Azure for an access token. */
export async function fetchToken(control: string, request: TokenRequest): Promise<string> {
  const answer = await fetch(`${control}/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  if (!answer.ok) throw new Error(`The token service answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}
