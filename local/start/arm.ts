import { setTimeout as delay } from 'node:timers/promises';

/** A caller of ARM over plain HTTP, for the little that the set-up itself asks for. */
export interface ArmCaller {
  endpoint: string;
  token: string;
}

interface Resource {
  id: string;
  properties?: Record<string, unknown>;
}

const pollMs = 100;

/** PUTs a resource and follows its operation to the end; throws with Azure's code and message when it fails. */
export async function putResource(arm: ArmCaller, id: string, apiVersion: string, body: object): Promise<Resource> {
  const url = `${arm.endpoint}${id}?api-version=${apiVersion}`;
  const answer = await call(arm, url, { method: 'PUT', body: JSON.stringify(body) });
  const operation = answer.headers.get('azure-asyncoperation');
  if (operation) await follow(arm, operation, id);
  return (await (await call(arm, url)).json()) as Resource;
}

async function follow(arm: ArmCaller, operation: string, id: string): Promise<void> {
  for (;;) {
    const { status, error } = (await (await call(arm, operation)).json()) as {
      status: string;
      error?: { code: string; message: string };
    };
    if (/succeeded/i.test(status)) return;
    if (/fail|cancel/i.test(status)) throw new Error(`PUT ${id} ended ${status}: ${error?.code} ${error?.message}`);
    await delay(pollMs);
  }
}

async function call(arm: ArmCaller, url: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${arm.token}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { ...init, headers });
  if (!answer.ok) throw new Error(`${init.method ?? 'GET'} ${url} answered ${answer.status}: ${await answer.text()}`);
  return answer;
}
