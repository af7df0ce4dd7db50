/** A caller of the product's own API, as any tool would be. */
export interface Api {
  base: string;
  /** A fresh token for every call: a long provision outlives one. */
  token(): Promise<string>;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** The answer, whatever its status. Paths are below `/api`; a full URL is taken as it is. */
export async function call(api: Api, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  const url = path.startsWith('http') ? path : `${api.base}${path}`;
  const headers = { authorization: `Bearer ${await api.token()}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** The body of a good answer; throws the API's own code and message for another. */
export async function expectOk<T>(answer: Promise<ApiAnswer>, what: string): Promise<T> {
  const { status, body } = await answer;
  if (status < 300) return body as T;
  const { code, message } = (body as { error?: { code: string; message: string } } | undefined)?.error ?? {};
  throw new Error(`${what} was answered with ${status} ${code ?? ''}: ${message ?? 'no message'}`);
}
