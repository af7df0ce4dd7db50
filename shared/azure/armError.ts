import type { Failure } from '../errors.ts';

/** What an error of an ARM call means for the engine. */
export type ArmFailure =
  | { kind: 'transient'; failure: Failure; retryAfterSeconds?: number }
  /** Something that is referred to is not there: just made perhaps, and not known everywhere yet. Some minutes later it is hopeless. */
  | { kind: 'missing'; failure: Failure }
  | { kind: 'hopeless'; failure: Failure };

/** A PUT on a jump server that is there refuses these changes, also where its first PUT failed (shared/spec.ts). */
const anew = (fields: string): string => `Another ${fields} needs DELETE and a new PUT.`;

/**
 * Codes that no waiting cures, with what a person can do. Anything else is tried again until the operation's time is up.
 * Source: "Understand common error messages when you manage virtual machines" and "Resolve errors for …" in Azure's docs.
 */
const hopeless: Record<string, string> = {
  AllocationFailed: `Azure has no room for this VM size in the region. Try again later. ${anew('web.vmSize or location')}`,
  ZonalAllocationFailed: `Azure has no room for this VM size in the zone. Try again later. ${anew('web.vmSize or location')}`,
  OverconstrainedAllocationRequest: `No cluster fits the VM size with these constraints. ${anew('web.vmSize')}`,
  SkuNotAvailable: `The size is not offered to this subscription in the region. Another database.sku may be PUT. ${anew('web.vmSize or location')}`,
  QuotaExceeded: `Ask for more quota (Azure portal: Quotas), or PUT a smaller web.count or database.sku. ${anew('web.vmSize or location')}`,
  OperationNotAllowed: 'Read the message: usually a quota (Azure portal: Quotas) or a resource that is being deleted.',
  PublicIPCountLimitReached: 'Ask for more public IP addresses (Azure portal: Quotas).',
  StandardSkuPublicIPCountLimitReached: 'Ask for more Standard public IP addresses (Azure portal: Quotas).',
  RequestDisallowedByPolicy:
    'An Azure Policy forbids this. Ask its owner for an exemption, or change the spec to comply.',
  AuthorizationFailed:
    "The control plane's identity lacks this right. Give it the roles that infra/main.bicep assigns.",
  LinkedAuthorizationFailed:
    "The control plane's identity lacks a right on the linked resource. Give it Network Contributor there.",
  MissingSubscriptionRegistration:
    'Register the resource provider that the message names: az provider register --namespace …',
  SubscriptionNotRegistered:
    'Register the resource provider that the message names: az provider register --namespace …',
  SubscriptionNotFound: 'Check AZURE_SUBSCRIPTION_ID of the control plane.',
  ReadOnlyDisabledSubscription: 'The subscription is disabled. Enable it in the Azure portal.',
  ScopeLocked: 'Remove the lock that the message names, or leave the resource as it is.',
  InvalidResourceGroupLocation: `The group is in another region. ${anew('resourceGroup or location')}`,
  RoleAssignmentExists:
    "Somebody has given the nodes' identity this role already. Delete that role assignment on the jump server's vault.",
  VaultAlreadyExists: `The name of the vault is taken by somebody else. ${anew('name or resourceGroup')}`,
  RemotePeeringIsDisconnected:
    "Delete the other network's disconnected peering with this one, or let both sides be made.",
  AnotherPeeringAlreadyReferencesRemoteVnet:
    'The two networks are peered under another name already. Delete that peering, or take it out of the spec.',
  DnsRecordInUse: 'The DNS label is taken. Choose another ingress.dnsLabel.',
  PropertyChangeNotAllowed: 'This cannot be changed in place. Put the old value back, or make a new jump server.',
  InvalidResourceLocation: `A resource of this name exists in another region: remove it. ${anew('name or resourceGroup')}`,
  InvalidParameter: 'Azure refuses a value of the spec; the message names it.',
  InvalidRequestContent: 'Azure refuses the request; the message says which part.',
  InvalidRequestFormat: 'Azure refuses the request; the message says which part.',
  LocationNotAvailableForResourceType: `The resource type is not offered in this region. ${anew('location')}`,
  NetcfgSubnetRangesOverlap: `Others have made a subnet there in the virtual network: remove it. ${anew('network.subnets')}`,
  NetcfgInvalidSubnet: `A subnet lies outside the address space: PUT a network.addressSpace that holds it. ${anew('network.subnets')}`,
  SubnetIsFull: `The subnet has no address left: PUT a smaller web.count, or remove what others put there. ${anew('network.subnets')}`,
  VnetAddressSpacesOverlap: `The address space overlaps with the peered network: PUT without that peering, or a network.addressSpace beside it. ${anew('network.subnets')}`,
};

/** 409 OperationNotAllowed also means "another operation is in progress"; those pass (azure-behaviour.md, 2.14). */
const passing = /another operation is in progress|operation preempted|marked for deletion/i;

/** Finished operations of the SDK fail with a plain Error; code and message stand in its text (azure-behaviour.md, 6.3). */
const failedOperation = /^The long-running operation has failed\.\s*(?:([A-Za-z0-9_]+)\.)?\s*([\s\S]*)$/;

const notThere = 'The message names something that does not exist. Make it, or take it out of the spec.';

/** Turns whatever an ARM call threw into a typed failure. The one place that reads the clients' errors. */
export function readArmError(error: unknown): ArmFailure {
  const { code, message, statusCode, retryAfterSeconds } = partsOf(error);
  // Throttling has codes that mean a quota elsewhere (429 OperationNotAllowed of compute), and a broken server any code.
  if (statusCode !== undefined && (statusCode === 429 || statusCode >= 500)) return transient();
  const advice = hopeless[code];
  if (code === 'InvalidResourceReference' || (statusCode === 404 && advice === undefined))
    return { kind: 'missing', failure: { code, message, advice: notThere } };
  const forbidden = statusCode === 400 || statusCode === 403;
  if (!passing.test(message) && (advice !== undefined || (forbidden && !maybeLater(code)))) {
    return {
      kind: 'hopeless',
      failure: { code, message, advice: advice ?? 'Azure refuses this; the message says why.' },
    };
  }
  return transient();

  function transient(): ArmFailure {
    const later = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    return { kind: 'transient', failure: { code, message }, ...later };
  }
}

/** 409s of what another request has under way: 'Run command extension execution is in progress …', 'another operation is in progress'. */
const underWay = /in progress/i;

/** Did Azure not take up what was asked for, because of the moment? It may be sent again as if it never had been. */
export function isTurnedAway(error: unknown): boolean {
  const { message, statusCode = 0 } = partsOf(error);
  // What fails with a GET is a look at how far it is.
  const { request } = error as { request?: { method?: string } };
  if (request?.method === 'GET') return false;
  return statusCode === 429 || statusCode >= 500 || (statusCode === 409 && underWay.test(message));
}

/** 400s that are about the moment, not the request: something referenced or in use that is just changing, or an error of Azure's own. */
const maybeLater = (code: string): boolean =>
  /^(InUse|Internal|NetworkingInternal|NicInUse|NicReservedForAnotherVm|ReferencedResourceNotProvisioned|PrincipalNotFound|PublicIPAddressCannotBeDeleted|Retryable)/.test(
    code,
  );

interface Parts {
  code: string;
  message: string;
  statusCode: number | undefined;
  retryAfterSeconds: number | undefined;
}

function partsOf(error: unknown): Parts {
  const { message, code, statusCode, response } = (
    error instanceof Error ? error : new Error(String(error))
  ) as Error & {
    code?: unknown;
    statusCode?: unknown;
    response?: { headers?: { get(name: string): string | undefined } };
  };
  const failed = failedOperation.exec(message);
  const retryAfter = Number(response?.headers?.get('retry-after') ?? Number.NaN);
  return {
    code: failed?.[1] ?? (typeof code === 'string' ? code : 'Unknown'),
    message: failed?.[2] ?? firstLine(message),
    statusCode: typeof statusCode === 'number' ? statusCode : undefined,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

/** The clients append the whole request and response to some messages; the first line says it. */
const firstLine = (text: string): string => text.split('\n')[0]?.slice(0, 500) ?? '';
