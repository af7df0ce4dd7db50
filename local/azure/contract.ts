/** The inner contract of the local Azure: ARM keeps the state, data planes make what it says real. */

export interface ArmResource {
  /** Full ARM id in the casing of its creation; compare ids with `sameId`. */
  id: string;
  name: string;
  /** `Microsoft.Network/virtualNetworks`, children as `Microsoft.Network/virtualNetworks/subnets`. */
  type: string;
  location?: string;
  tags?: Record<string, string>;
  sku?: Record<string, unknown>;
  identity?: {
    type: string;
    principalId?: string;
    tenantId?: string;
    userAssignedIdentities?: Record<string, { principalId?: string; clientId?: string }>;
  };
  zones?: string[];
  etag?: string;
  properties: Record<string, unknown>;
}

/** Every resource that ARM knows, also those in state Creating or Failed. Ids are matched without regard to letter case. */
export interface State {
  get(id: string): ArmResource | undefined;
  /** All resources of a type, optionally below an id (a resource group, a parent). */
  list(type: string, below?: string): ArmResource[];
  /** Called after each change has been written; `after` undefined means deleted. Returns the function that ends it. */
  onChange(listener: (change: { id: string; before?: ArmResource; after?: ArmResource }) => void): () => void;
}

/** A failure in the words of Azure; ARM puts it into the operation or the answer. */
export class AzureFailure extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 409) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface DataPlane {
  /**
   * Makes a resource real or brings the real thing to a changed one; also called for each stored resource after a restart.
   * Idempotent. `writeOnly` holds what ARM accepts and never stores (administratorLoginPassword); empty after a restart.
   * Returns properties that only the real thing knows (ipAddress, vaultUri, fullyQualifiedDomainName); ARM merges them.
   * Throws AzureFailure to fail the operation.
   */
  apply(resource: ArmResource, writeOnly: Record<string, unknown>): Promise<Record<string, unknown> | undefined>;
  /** Takes the real thing away for good (data too). Idempotent. */
  remove(resource: ArmResource): Promise<void>;
  /** POST actions (start, powerOff, restart, redeploy, deallocate, runCommand, stop, loadBalancingRules/x/health …). Returns the answer's body. */
  act?(
    resource: ArmResource,
    action: string,
    body: Record<string, unknown>,
  ): Promise<Record<string, unknown> | undefined>;
}

/** Keyed by resource type in lower case. */
export type DataPlanes = Record<string, DataPlane>;

/** Does this principal have the action (ARM) or data action (vault) at the scope? Role assignments may take a while to act. */
export interface Rbac {
  allowed(objectId: string, action: string, scope: string, kind?: 'action' | 'dataAction'): boolean;
}

/** A security principal behind a token. Managed identities get theirs from their resource. */
export interface Principal {
  objectId: string;
  clientId: string;
  /** ARM id of the identity's resource: the VM, or the user-assigned identity. */
  resourceId: string;
}

/** What every part of the local Azure may use. */
export interface Context {
  /** Absolute state directory. */
  dir: string;
  /** `127.7`: the claimed /16. */
  range: string;
  tenantId: string;
  subscriptionId: string;
  location: string;
  state: State;
  rbac: Rbac;
  /** The local certificate authority: leaf certificates on request. */
  certificates: {
    caFile: string;
    issue(names: string[]): Promise<{ certPem: string; keyPem: string }>;
  };
  log(message: string): void;
}

export const sameId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
