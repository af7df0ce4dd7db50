import { jsonReply, type Reply } from '../http/reply.ts';
import type { ApiCall } from './api.ts';
import { runtimeStatuses } from './instances.ts';
import { webhookPath } from './links.ts';
import type { InstanceFilter, Operations } from './operations.ts';
import { statusOf } from './status.ts';

const tokenHeader = 'x-ms-continuation-token';
/** The page size of the real host's table query when `top` is not given. */
const defaultPage = 100;

/** A page of the list of instances; the next page's token travels in a header. After the last it is empty, and the webhook leaves it out. */
export function listInstances(operations: Operations, { query, request }: ApiCall): Reply {
  const top = Number(query.get('top') ?? 0) || defaultPage;
  const token = request.headers[tokenHeader];
  const after = typeof token === 'string' ? Buffer.from(token, 'base64').toString('utf8') : '';
  const page = operations.list(filterOf(query), after, top + 1);
  const shown = page.slice(0, top);
  const showInput = query.get('showInput')?.toLowerCase() !== 'false';
  const last = shown.at(-1);
  const next = page.length > top && last ? Buffer.from(last.id).toString('base64') : '';
  const values = shown.map((instance) => statusOf(instance, { showInput, history: null, showHistoryOutput: false }));
  const isWebhook = request.url?.toLowerCase().startsWith(webhookPath) ?? false;
  return jsonReply(200, values, next || !isWebhook ? { [tokenHeader]: next } : {});
}

export function purgeByFilter(operations: Operations, query: URLSearchParams): Reply {
  if (!query.get('createdTimeFrom')) return jsonReply(400, "Please provide value for 'createdTimeFrom' parameter.");
  const instancesDeleted = operations.purgeBy(filterOf(query));
  return instancesDeleted ? jsonReply(200, { instancesDeleted }) : { status: 404 };
}

/** An unknown status is ignored: everything comes back then. */
function filterOf(query: URLSearchParams): InstanceFilter {
  const names = (query.get('runtimeStatus') ?? '').split(',').map((name) => name.trim().toLowerCase());
  const time = (name: string): number | undefined => {
    const value = Date.parse(query.get(name) ?? '');
    return Number.isNaN(value) ? undefined : value;
  };
  const prefix = query.get('instanceIdPrefix');
  return {
    statuses: runtimeStatuses.filter((status) => names.includes(status.toLowerCase())),
    ...(time('createdTimeFrom') !== undefined && { createdFrom: time('createdTimeFrom') }),
    ...(time('createdTimeTo') !== undefined && { createdTo: time('createdTimeTo') }),
    ...(prefix && { prefix }),
  };
}
