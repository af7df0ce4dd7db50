import type { JumpServerSpec } from '../spec.ts';
import { type Names, namesOf, type Place, resourceId, vaultName } from './names.ts';

/** What the control plane knows about itself and hands to every jump server. */
export interface Environment {
  subscriptionId: string;
  tenantId: string;
  /** Where nodes report to, with `/api`. */
  apiUrl: string;
  /** What nodes ask a token for. */
  apiAudience: string;
  /** CIDRs from which the control plane itself reaches the ingress. */
  egress: readonly string[];
  /** Subnet of the control plane's network for its private endpoints, in the same subscription. */
  endpointSubnetId: string;
  /** The control plane's own zone privatelink.mysql.database.azure.com. */
  dnsZoneId: string;
  /** Resource group of the control plane, where its private endpoints are made. */
  controlResourceGroup: string;
  /** Password of the MySQL administrator, from the control vault; asked for only when a server is created. */
  administratorPassword(): Promise<string>;
}

/** Everything the resources of one jump server are drawn from. */
export interface Blueprint {
  name: string;
  spec: JumpServerSpec;
  environment: Environment;
  place: Place;
  names: Names & { vault: string };
  /** Full ARM id of a resource in the jump server's own group. */
  id(type: string, name: string): string;
}

export function blueprintOf(name: string, spec: JumpServerSpec, environment: Environment): Blueprint {
  const place = { subscriptionId: environment.subscriptionId, resourceGroup: spec.resourceGroup };
  return {
    name,
    spec,
    environment,
    place,
    names: { ...namesOf(name, place), vault: vaultName(name, place, spec.location) },
    id: (type, child) => resourceId(place, type, child),
  };
}
