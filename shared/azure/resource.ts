import type { AzureClients } from './clients.ts';

/** What a finished resource tells those that depend on it, by the resource's key: addresses, principal ids, names. */
export type Outputs = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

/** As far as a GET shows: there and finished, still being worked on by Azure, or left broken by a failed operation. */
export type Observed = 'ready' | 'pending' | 'failed';

/**
 * One Azure resource of a jump server, described with the models of its official client.
 * `desired` is pure: given what exists, it returns the body to PUT, or undefined when nothing differs. It starts from what
 * exists wherever Azure replaces the whole document, so that what others added is kept.
 */
export interface ResourceDefinition<Body, Found> {
  /** Unique in the graph and stable over releases: `virtualNetwork`, `node-1/virtualMachine`. */
  key: string;
  /** Azure's type, `Microsoft.Network/virtualNetworks`. */
  type: string;
  /** Full ARM id. */
  id: string;
  /** Keys of the resources that must be ready first. */
  dependsOn?: readonly string[];
  /** Writes with the same queue are sent one at a time: Azure refuses two writers on one virtual network or load balancer. */
  writeQueue?: string;
  get(azure: AzureClients): Promise<Found>;
  desired(found: Found | undefined, outputs: Outputs): Body | undefined;
  /** Sends the PUT and settles when Azure's operation has ended. */
  put(azure: AzureClients, body: Body): PromiseLike<unknown>;
  /** Default: by `provisioningState`; a type without one (MySQL servers) says it itself. */
  observe?(found: Found): Observed;
  output?(found: Found): Record<string, string>;
}

/** What one look at a resource found, and the write that would put it right. */
export interface Look {
  observed: Observed | 'missing';
  output: Record<string, string>;
  change: { kind: 'create' | 'update'; write(): Promise<void> } | undefined;
}

/** A resource of the graph, its client's types folded away. */
export interface Resource {
  readonly key: string;
  readonly type: string;
  readonly id: string;
  readonly dependsOn: readonly string[];
  readonly writeQueue: string | undefined;
  look(azure: AzureClients, outputs: Outputs): Promise<Look>;
}

/** Folds a typed definition into a member of the graph. */
export function resource<Body, Found extends object>(definition: ResourceDefinition<Body, Found>): Resource {
  const { key, type, id, dependsOn = [], writeQueue } = definition;
  const observe = definition.observe ?? observeProvisioningState;
  return {
    key,
    type,
    id,
    dependsOn,
    writeQueue,
    async look(azure, outputs) {
      const found = await orUndefinedIfMissing(definition.get(azure));
      const observed = found === undefined ? 'missing' : observe(found);
      // What a failed operation left behind is asked for again as a whole, even where nothing differs.
      const body =
        definition.desired(found, outputs) ??
        (observed === 'failed' ? definition.desired(undefined, outputs) : undefined);
      return {
        observed,
        output: found === undefined ? {} : (definition.output?.(found) ?? {}),
        change:
          body === undefined
            ? undefined
            : {
                kind: found === undefined ? 'create' : 'update',
                write: async () => void (await definition.put(azure, body)),
              },
      };
    },
  };
}

/** Azure's words for the end of work; anything else (Creating, Updating, Accepted …) is still running. */
export function observeProvisioningState(found: object): Observed {
  const state = provisioningStateOf(found);
  if (state === undefined || state === null || state === 'Succeeded') return 'ready';
  return hasFailed(found) ? 'failed' : 'pending';
}

const failedStates: readonly unknown[] = ['Failed', 'Canceled'];

/** Did Azure's last write on it end badly? Then it is written again, though every field may look right. */
export const hasFailed = (found: object): boolean => failedStates.includes(provisioningStateOf(found));

function provisioningStateOf(found: object): unknown {
  const fields = found as { provisioningState?: unknown; properties?: { provisioningState?: unknown } };
  return fields.provisioningState ?? fields.properties?.provisioningState;
}

/** The answer, or undefined when Azure says that there is no such thing. */
export async function orUndefinedIfMissing<T>(answer: PromiseLike<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return undefined;
    throw error;
  }
}
