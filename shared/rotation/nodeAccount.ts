import type { Step } from '../azure/engine.ts';
import { nodeKey } from '../azure/names.ts';
import type { Outputs } from '../azure/resource.ts';
import { fleetOf } from '../scaling/fleet.ts';
import { nodeSecrets, type Vault } from '../secrets/vaults.ts';
import { accountNames } from '../steps/accounts.ts';
import { listNodes, type NodeRecord } from '../store/nodes.ts';
import { dropOthers, publishOther } from './databaseCredentials.ts';
import { nodeSwitchStep } from './nodeSwitch.ts';
import { briefStep, conclude, currentOutputs, type Rotating, readLogin, tellDependants } from './rotating.ts';

const pair = accountNames.node;

/**
 * The nodes' account: the other one of the pair is made and proven, the nodes go over to it one after the other, and the former is
 * dropped when none uses it any more. At every moment both work.
 */
export function nodeAccountSteps(
  rotating: Rotating,
  fleet: readonly NodeRecord[],
  dependsOn: readonly string[],
): Step[] {
  const publish = briefStep(rotating, 'nodeAccount', dependsOn, async (_outputs, attempt) => {
    const outputs = await currentOutputs(rotating);
    const wanted = await wantedVersions(rotating, outputs);
    const made = await publishOther(
      rotating,
      {
        credential: 'nodeAccount',
        vault: nodeVault(rotating, outputs),
        secret: nodeSecrets.database,
        pair,
        privileges: 'node',
        unfinished: (newest) => wanted.some((version) => version !== newest),
      },
      attempt,
    );
    return { state: 'ready', output: { version: made.version } };
  });
  const switches = fleet.map(({ number }) => number);
  const former = briefStep(rotating, 'nodeAccount/former', switches.map(switchKey), async (outputs, attempt) => {
    const version = outputs.nodeAccount?.version ?? '';
    const vault = nodeVault(rotating, await currentOutputs(rotating));
    await tellDependants(rotating, 'database', { nodeAccountVersion: version }, attempt);
    const secret = await vault.findVersion(nodeSecrets.database, version);
    if (secret === undefined) throw new Error(`There is no version ${version} of the nodes' account.`);
    await attempt.permit();
    await dropOthers(rotating, pair, readLogin(secret).username);
    return conclude(rotating, 'nodeAccount', vault, nodeSecrets.database, version, attempt);
  });
  return [
    publish,
    // One after the other: the next drains when the one before is back behind the balancer.
    ...switches.map((number, index) =>
      nodeSwitchStep(rotating, number, switchKey(number), [
        'nodeAccount',
        ...switches.slice(0, index).map(switchKey).slice(-1),
      ]),
    ),
    former,
  ];
}

const switchKey = (number: number): string => nodeKey(number, 'account');

const nodeVault = ({ deps }: Rotating, outputs: Outputs): Vault => deps.vaults.at(outputs.vault?.vaultUri ?? '');

/** The versions that nodes are meant to use: one, unless an earlier rotation was interrupted. */
async function wantedVersions({ deps, server }: Rotating, outputs: Outputs): Promise<string[]> {
  const common = outputs.database?.nodeAccountVersion;
  const nodes = fleetOf(server.spec, await listNodes(deps.tables, server.name), deps.now());
  return [common, ...nodes.map(({ account }) => account)].filter((version) => version !== undefined);
}
