import { z } from 'zod';
import type { Deps } from '../shared/deps.ts';
import { ApiError, notFound } from '../shared/errors.ts';
import { listOf, type Route, route } from '../shared/http.ts';
import { operationUrl } from '../shared/operations.ts';
import { changeLease, findLease } from '../shared/store/leases.ts';
import {
  findOperation,
  listOperations,
  listSteps,
  type Operation,
  type StepProgress,
} from '../shared/store/operations.ts';

const failureShape = z.object({
  code: z.string(),
  message: z.string(),
  advice: z.string().optional().describe('What a person can do.'),
  target: z.string().optional(),
});

const stepShape = z.object({
  key: z.string(),
  type: z.string(),
  state: z.enum(['waiting', 'working', 'ready', 'failed', 'removed']),
  detail: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  seconds: z.number().optional(),
  error: failureShape.optional(),
});

const summaryShape = z.object({
  id: z.string(),
  kind: z.enum(['provision', 'scale', 'heal', 'rotate', 'teardown']),
  status: z.enum(['NotStarted', 'Running', 'Succeeded', 'Failed', 'Canceled']),
  requestedBy: z.string(),
  reason: z.string().describe('Why it was started.'),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().optional(),
  error: failureShape.optional(),
});

const operationShape = summaryShape.extend({
  percentComplete: z.int().min(0).max(100),
  resources: z.array(stepShape).describe('A line per resource, in the order of their beginning.'),
});

const running = { 'Retry-After': '2' };

export const operationRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'Operations_List',
      summary: 'The operations of a jump server, newest first; also of one that is gone.',
      method: 'GET',
      path: '/jump-servers/{name}/operations',
      role: 'Reader',
      responses: { 200: { description: 'The operations.', schema: listOf(summaryShape) } },
    },
    async ({ params }) => ({ body: { value: (await listOperations(deps.tables, params.name)).map(summary) } }),
  ),
  route(
    {
      operationId: 'Operations_Get',
      summary: 'How far an operation is, with a line per resource.',
      method: 'GET',
      path: '/jump-servers/{name}/operations/{id}',
      role: 'Reader',
      responses: { 200: { description: 'The operation.', schema: operationShape } },
    },
    async ({ params }) => {
      const operation = await existing(deps, params.name, params.id);
      const steps = (await listSteps(deps.tables, operation.id)).map(line);
      steps.sort((a, b) => (a.startedAt ?? '9').localeCompare(b.startedAt ?? '9'));
      const body = { ...summary(operation), percentComplete: percent(operation, steps), resources: steps };
      return { body, ...(operation.finishedAt === undefined ? { headers: running } : {}) };
    },
  ),
  route(
    {
      operationId: 'Operations_Cancel',
      summary: 'Stops an operation before its next write. What is made stays; the next PUT or DELETE carries on.',
      method: 'POST',
      path: '/jump-servers/{name}/operations/{id}/cancel',
      role: 'JumpServer.Admin',
      responses: { 202: { description: 'It will stop.', schema: summaryShape } },
    },
    async ({ params }) => {
      const operation = await existing(deps, params.name, params.id);
      const lease = await findLease(deps.tables, params.name);
      const held =
        lease?.operationId === operation.id && (await changeLease(deps.tables, lease, { cancelRequested: true }));
      if (!held)
        throw new ApiError(409, 'OperationEnded', `The operation ${operation.id} has ended: ${operation.status}.`, {
          target: 'id',
        });
      const url = operationUrl(deps, params.name, operation.id);
      return { status: 202, body: summary(operation), headers: { 'Operation-Location': url, ...running } };
    },
  ),
];

/** As ids are made; a table refuses other characters with a 400 of its own. */
const operationId = /^[0-9a-f-]{36}$/;

async function existing(deps: Deps, jumpServer: string, id: string): Promise<Operation> {
  const operation = operationId.test(id) ? await findOperation(deps.tables, jumpServer, id) : undefined;
  if (operation === undefined) throw notFound('operation', id);
  return operation;
}

function summary({ id, kind, status, requestedBy, reason, createdAt, finishedAt, failure }: Operation) {
  return {
    id,
    kind,
    status,
    requestedBy,
    reason,
    createdAt: createdAt.toISOString(),
    ...(finishedAt === undefined ? {} : { finishedAt: finishedAt.toISOString() }),
    ...(failure === undefined ? {} : { error: failure }),
  };
}

function line({ key, type, state, detail, startedAt, finishedAt, failure }: StepProgress) {
  const seconds =
    startedAt === undefined || finishedAt === undefined
      ? undefined
      : (finishedAt.getTime() - startedAt.getTime()) / 1000;
  return {
    key,
    type,
    state,
    ...(detail === undefined ? {} : { detail }),
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    ...(finishedAt === undefined ? {} : { finishedAt: finishedAt.toISOString() }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(failure === undefined ? {} : { error: failure }),
  };
}

function percent(operation: Operation, steps: { state: string }[]): number {
  if (operation.status === 'Succeeded') return 100;
  const done = steps.filter(({ state }) => state === 'ready' || state === 'removed').length;
  return steps.length === 0 ? 0 : Math.min(99, Math.floor((100 * done) / steps.length));
}
