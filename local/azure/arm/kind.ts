import type { ArmResource } from '../contract.ts';
import type { Stored } from '../state.ts';
import type { ArmEnv } from './env.ts';
import type { ArmError } from './failure.ts';
import type { Shape } from './shape.ts';

/** Who sent a request. */
export interface Caller {
  objectId: string;
  clientId: string;
}

export interface ArmRequest {
  method: string;
  /** Without trailing slash, decoded. */
  path: string;
  query: URLSearchParams;
  apiVersion: string;
  headers: Record<string, string | undefined>;
  body: unknown;
  caller: Caller;
  /** `https://127.7.0.1:8443`: what the client called, for the URLs in answers. */
  origin: string;
}

export interface ArmAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** A write that was understood and is being checked; `resource` may still be completed by the kind. */
export interface Draft {
  resource: Stored;
  existing?: Stored;
  /** The request's body after `readBody`. */
  body: Record<string, unknown>;
  method: string;
  apiVersion: string;
  caller: Caller;
  env: ArmEnv;
}

/** Where a resource names another one. */
export interface Reference {
  /** `properties.ipConfigurations[].properties.subnet`; the value is `{id}` or an id. */
  path: string;
  /** The type that must be there. */
  to: string;
  /** Linked action that the caller needs on the named resource. */
  linked?: string;
  /** Where the named resource shows who names it; `single` when it is one `{id}` and not a list of them. */
  back?: string;
  single?: boolean;
  /** The back reference and the in-use message show the resource, not the part of it that holds the reference. */
  whole?: boolean;
  /** May name something in another region. */
  anyRegion?: boolean;
  /** Does not keep the named resource from being deleted. */
  loose?: boolean;
}

export interface ActionRule {
  /** `start/action` is checked as `{type}/start/action`; default is the action's own name. */
  permission?: string;
  /** Answered at once, with `status` (default 200). */
  sync?: boolean;
  status?: number;
  /** Whatever speaks against it now. */
  check?(resource: Stored, body: Record<string, unknown>, env: ArmEnv): void;
  /** What is visible while it runs. */
  begin?(copy: Stored, body: Record<string, unknown>, env: ArmEnv): void;
  /** What is visible afterwards; `answer` came from the data plane. Returns the body of the final answer. */
  end?(copy: Stored, answer: Record<string, unknown> | undefined, env: ArmEnv): Record<string, unknown> | undefined;
  /** Instead of the data plane's `act`. */
  work?(resource: Stored, env: ArmEnv, body: Record<string, unknown>): Promise<Record<string, unknown> | undefined>;
  /** Does not write: no lock, may run beside others. */
  free?: boolean;
  /** Ends with the real thing at rest: the local Azure, started again meanwhile, does not bring it up before. */
  rests?: boolean;
}

export type StyleName = 'network' | 'compute' | 'computeDisk' | 'mysql' | 'dns' | 'keyVault' | 'sync';

/** One resource type as a table of rules. */
export interface Kind {
  type: string;
  style: StyleName;
  location: 'required' | 'global' | 'none';
  /** Allowed members of `properties`; other top-level members in `extra`. */
  properties: { readonly [property: string]: Shape };
  extra?: { readonly [property: string]: Shape };
  /** Lives in this list of its parent's document: its writes are writes of the parent. */
  embedded?: boolean;
  /** Has its own row, but its writes wait for the parent's and the parent's for its. */
  lockedWithParent?: boolean;
  /** Lists of sub-resources in `properties`: get ids, names and states of their own. */
  parts?: string[];
  /** No PUT: made by others. */
  made?: boolean;
  noDelete?: boolean;
  /** Is always there with its defaults, a row only once it was written. */
  implicit?: boolean;
  patch?: 'tags' | 'merge';
  /** The status of a first PUT where it is not 201. */
  created?: number;
  /** Verbs that are answered at once although the style has long-running operations. */
  instant?: ('PUT' | 'PATCH' | 'DELETE')[];
  /** The data plane is asked before the answer and again in the operation: what it knows (a vault's address) is there at once. */
  early?: boolean;
  /** The data plane is awaited before the answer, which already shows the end (network interfaces). */
  inline?: boolean;
  /** The member of `properties` that shows the state, and its words. */
  state?: { property: string; creating: string; updating: string; ready: string; deleting: string; failed: string };
  /** Shows an etag although its style does not. */
  etag?: boolean;
  /** Dotted paths: handed to the data plane and forgotten. */
  secrets?: string[];
  /** Dotted paths: kept (cloud-init needs them) and never returned. */
  hidden?: string[];
  /** Dotted paths that cannot be changed after creation; left out means kept. */
  immutable?: string[];
  references?: Reference[];
  namePattern?: RegExp;
  /** Completes the resource with what the service adds and refuses what it would refuse. */
  prepare?(draft: Draft): void;
  /** The duration of a creation where it depends on what is made; default `create`. */
  createVerb?(resource: Stored): string;
  /** In the same moment in which the write is accepted. */
  accepted?(draft: Draft): void;
  /** The refusal to delete something that `users` (ids) refer to. */
  inUse?(id: string, users: string[], env: ArmEnv): ArmError;
  /** Other reasons against a delete. */
  checkDelete?(resource: Stored, env: ArmEnv): void;
  /** The same for children that have to go first; the delete of a group orders them itself. */
  checkNested?(resource: Stored, env: ArmEnv): void;
  /** After the real thing is gone and before the resource is. */
  removed?(resource: Stored, env: ArmEnv): Promise<void> | void;
  /** After a write, delete or action that failed; `created`: nothing has ever been made of it. */
  failed?(copy: Stored, code: string, created: boolean, env: ArmEnv): void;
  /** What a failure that a fault asks for does to the real thing, inside the operation; may run twice. */
  failing?(resource: Stored, code: string, env: ArmEnv): Promise<void>;
  /** What a write does beside the data plane, inside the operation; may run twice. */
  realise?(resource: Stored, env: ArmEnv): Promise<void> | void;
  /** After a delete of it or of a part of it, when the state shows that. */
  changed?(env: ArmEnv): void;
  actions?: Record<string, ActionRule>;
  /** The last touches to a copy before it is shown. */
  view?(copy: ArmResource, stored: Stored, env: ArmEnv, request?: ArmRequest): void;
}
