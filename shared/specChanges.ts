import type { ErrorDetail } from './errors.ts';
import type { JumpServerSpec } from './spec.ts';

interface Rule {
  target: string;
  /** What the field is, for comparison; undefined members are equal to each other. */
  value(spec: JumpServerSpec): unknown;
  /** Default: any change is refused. */
  refused?(before: JumpServerSpec, after: JumpServerSpec): boolean;
  why: string;
}

const another = 'Delete the jump server and create it again, or create another one.';

/** What Azure fixes when a resource is created, and what only a rebuild could change. */
const rules: readonly Rule[] = [
  { target: 'location', value: (spec) => spec.location, why: `Azure resources stay in their region. ${another}` },
  {
    target: 'resourceGroup',
    value: (spec) => spec.resourceGroup.toLowerCase(),
    why: `The resources stay in the group they were created in. ${another}`,
  },
  {
    target: 'network.subnets.web',
    value: (spec) => spec.network.subnets.web,
    why: `A subnet in use keeps its addresses: give network.subnets as they are. ${another}`,
  },
  {
    target: 'network.subnets.data',
    value: (spec) => spec.network.subnets.data,
    why: `A subnet in use keeps its addresses: give network.subnets as they are. ${another}`,
  },
  {
    target: 'web.vmSize',
    value: (spec) => spec.web.vmSize,
    why: `A resize restarts every node at once and may not fit where the availability set was placed. ${another}`,
  },
  {
    target: 'database.version',
    value: (spec) => spec.database.version,
    refused: (before, after) => Number.parseFloat(after.database.version) < Number.parseFloat(before.database.version),
    why: `MySQL cannot go back to an older version. ${another}`,
  },
  {
    target: 'database.storageGb',
    value: (spec) => spec.database.storageGb,
    refused: (before, after) => after.database.storageGb < before.database.storageGb,
    why: "A MySQL server's storage only grows. Give at least what it has.",
  },
  {
    target: 'database.geoRedundantBackup',
    value: (spec) => spec.database.geoRedundantBackup,
    why: `Geo-redundant backup is chosen when the server is created. ${another}`,
  },
  {
    target: 'database.highAvailability',
    value: (spec) => spec.database.highAvailability,
    refused: (_, after) => after.database.highAvailability === 'ZoneRedundant',
    why: `Zone redundancy is chosen when the server is created. Use 'SameZone' or 'Disabled', or ${lowerFirst(another)}`,
  },
  {
    target: 'database.highAvailability',
    value: (spec) => spec.database.highAvailability,
    refused: ({ database }, after) =>
      database.highAvailability === 'ZoneRedundant' && after.database.highAvailability === 'SameZone',
    why: "The kind of high availability changes by way of none. Set 'Disabled' first, then 'SameZone'.",
  },
];

/** What of `after` cannot be reached from `before` in place, each with what to do instead; empty when all can. */
export function changesNotAllowed(before: JumpServerSpec, after: JumpServerSpec): ErrorDetail[] {
  return rules
    .filter((rule) => JSON.stringify(rule.value(before)) !== JSON.stringify(rule.value(after)))
    .filter((rule) => rule.refused?.(before, after) ?? true)
    .map(({ target, value, why }) => ({
      code: 'ChangeNotAllowed',
      target,
      message: `${target} cannot change from ${show(value(before))} to ${show(value(after))}. ${why}`,
    }));
}

const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
