import { z } from 'zod';
import { regions } from './azure/regions.ts';
import { healingSpec } from './healing/healingSpec.ts';
import { rotationSpec } from './rotation/rotationSpec.ts';
import { mostNodes, scalingSpec } from './scaling/scalingSpec.ts';
import { refineSpec } from './specChecks.ts';
import { cidr, defaultSubnets } from './specNetwork.ts';

const subnets = z.strictObject({
  web: cidr.describe('Network of the nodes.'),
  data: cidr.describe("Network of the database's private endpoint."),
});

const peering = z.strictObject({
  virtualNetworkId: z
    .string()
    .regex(
      /^\/subscriptions\/[0-9a-f-]{36}\/resourceGroups\/[-\w._()]{1,90}\/providers\/Microsoft\.Network\/virtualNetworks\/[\w][-\w.]{0,63}$/i,
      'must be the full id of a virtual network: /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…',
    ),
  bothSides: z
    .boolean()
    .default(true)
    .describe("Also make the peering from the other network's side; false when its owner does that."),
  allowForwardedTraffic: z.boolean().default(false),
  useRemoteGateways: z
    .boolean()
    .default(false)
    .describe("Reach on-premises networks through the other network's gateway."),
});

const whoMayComeIn =
  'must name at least one network that may reach the ingress, for example your office: ["203.0.113.0/24"]';

const network = z.strictObject({
  addressSpace: z
    .array(cidr)
    .min(1, 'must hold at least one network, for example 10.20.0.0/16')
    .max(20)
    .default(['10.20.0.0/16']),
  subnets: subnets.optional().describe('Default: the first two blocks of the address space.'),
  allowedSources: z
    .array(cidr, whoMayComeIn)
    .min(1, whoMayComeIn)
    .max(500, 'may hold at most 500 networks')
    .describe('Networks from which users reach the ingress. Nothing else does.'),
  peerings: z.array(peering).max(100, 'may hold at most 100 peerings').default([]),
  ddosProtection: z
    .boolean()
    .default(false)
    .describe('Adds a DDoS protection plan, which bills about 2,900 USD a month.'),
});

const web = z.strictObject({
  mode: z.literal('availabilitySet', "must be 'availabilitySet'").default('availabilitySet'),
  vmSize: z
    .string()
    .regex(/^Standard_[A-Z]+\d+[A-Za-z0-9_-]*$/, "must be a virtual machine size such as 'Standard_D2s_v5'")
    .default('Standard_D2s_v5'),
  count: z
    .int(`must be a whole number from 1 to ${mostNodes}`)
    .min(1, 'must be at least 1')
    .max(mostNodes, `may be at most ${mostNodes}`)
    .default(2)
    .describe('How many nodes.'),
  guacamoleVersion: z
    .enum(['1.6.0'], "must be '1.6.0', the version whose database schema this release has")
    .default('1.6.0'),
});

const secretId =
  "must be the id of a secret, 'https://{vault}.vault.azure.net/secrets/{name}', with '/{version}' to stay on that version";

const certificate = z.strictObject({
  keyVaultSecretId: z
    .string()
    .regex(/^https:\/\/[a-z0-9.-]{3,64}(:\d{1,5})?\/secrets\/[0-9A-Za-z-]{1,127}(\/[0-9a-f]{32})?$/, secretId)
    .refine((id) => URL.canParse(id), secretId)
    .describe(
      'The secret of a certificate in Key Vault, with its private key: PKCS #12 or PEM. Without a version renewals are taken within the hour.',
    ),
});

const ingress = z.strictObject({
  kind: z.literal('loadBalancer', "must be 'loadBalancer'").default('loadBalancer'),
  port: z.int().min(1, 'must be a port from 1 to 65535').max(65535, 'must be a port from 1 to 65535').default(443),
  dnsLabel: z
    .string()
    .regex(
      /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/,
      'must be 3 to 63 lower-case letters, digits and hyphens, starting with a letter',
    )
    .optional()
    .describe('Gives the ingress the name {dnsLabel}.{location}.cloudapp.azure.com.'),
  hostname: z
    .string()
    .max(253, 'may be at most 253 characters long')
    .regex(
      /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
      "must be a DNS name in lower case such as 'jump.contoso.com'",
    )
    .optional()
    .describe("The name that users type; its DNS record is yours to make. Molcajete's own certificate covers it, too."),
  certificate: certificate.optional().describe("Default: one of Molcajete's own authority."),
});

const database = z.strictObject({
  version: z.enum(['8.4', '8.0.21'], "must be '8.4' or '8.0.21'").default('8.4'),
  sku: z
    .string()
    .regex(
      /^Standard_(B\d+m?s|D\d+a?ds_v\d|E\d+i?a?ds_v\d)$/,
      "must be a MySQL Flexible Server size such as 'Standard_B2s', 'Standard_D2ads_v5' or 'Standard_E2ds_v5'",
    )
    .default('Standard_B2s'),
  storageGb: z.int().min(20, 'must be at least 20').max(16384, 'may be at most 16384').default(20),
  highAvailability: z
    .enum(['Disabled', 'SameZone', 'ZoneRedundant'], "must be 'Disabled', 'SameZone' or 'ZoneRedundant'")
    .default('Disabled'),
  backupRetentionDays: z.int().min(1, 'must be at least 1').max(35, 'may be at most 35').default(7),
  geoRedundantBackup: z.boolean().default(false),
});

const body = z.strictObject({
  location: z.enum(regions, {
    error: ({ input }) =>
      `must be the name of an Azure region such as 'westeurope'${typeof input === 'string' ? `; '${input.slice(0, 40)}' is none` : ''}`,
  }),
  resourceGroup: z
    .string()
    .regex(/^[-\w._()]{0,89}[-\w_()]$/, "must be 1 to 90 letters, digits, '-', '_', '.', '(' or ')', not ending in '.'")
    .optional()
    .describe('Default: molcajete-{name}.'),
  network,
  web: web.prefault({}),
  ingress: ingress.prefault({}),
  database: database.prefault({}),
  scaling: scalingSpec.prefault({}),
  healing: healingSpec.prefault({}),
  rotation: rotationSpec.optional(),
  tags: z.record(z.string(), z.string()).default({}).describe('Put on every resource.'),
});

/**
 * What a PUT of a jump server carries: checked field by field and across fields, defaults filled in. Only `resourceGroup`, whose
 * default holds the name, is left to `specFor`. A field exists here only when the code honours it.
 */
export const specBody = body.superRefine(refineSpec).transform((spec) => ({
  ...spec,
  network: { ...spec.network, subnets: spec.network.subnets ?? defaultSubnets(spec.network.addressSpace) },
}));

export type SpecBody = z.output<typeof specBody>;

/** A complete spec: what the jump server should be. */
export type JumpServerSpec = SpecBody & { resourceGroup: string };

export const specFor = (name: string, given: SpecBody): JumpServerSpec => ({
  ...given,
  resourceGroup: given.resourceGroup ?? `molcajete-${name}`,
});
