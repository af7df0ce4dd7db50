import { afterError, nextLookSeconds, type Writes } from '../azure/armStep.ts';
import { type Attempt, type Outcome, reversed, type Step } from '../azure/engine.ts';
import { nodeName, ownerTag, parseNodeKey } from '../azure/names.ts';
import { orUndefinedIfMissing } from '../azure/resource.ts';
import { apiVersions } from '../azure/resources/apiVersions.ts';
import type { Deps } from '../deps.ts';
import { deleteInventory, type InventoryItem } from '../store/inventory.ts';
import { deleteNode } from '../store/nodes.ts';
import { deleteReport } from '../store/reports.ts';

const gone: Outcome = { state: 'ready', output: {} };
const lookAgain: Outcome = { state: 'pending', detail: 'looking whether it is gone', lookAgainSeconds: 0 };
/** For so long a group that is not empty is waited for: what went with something else (an interface, a disk) is listed for minutes. Seconds. */
const lingering = 300;
/** What others put into the group is theirs to remove, and so is the group then. */
const leftBehind: Outcome = { ...gone, detail: 'the group was left, because something that is not ours is in it' };
const resourceGroupType = 'Microsoft.Resources/resourceGroups';

/** A step for each owned thing, dependants first. The row goes when the thing is seen to be gone. */
export function removalSteps(deps: Deps, writes: Writes, jumpServer: string, items: readonly InventoryItem[]): Step[] {
  return reversed(items).map((item): Step => {
    let errors = 0;
    let looks = 0;
    return {
      key: item.key,
      type: item.type,
      id: item.id,
      dependsOn: item.dependsOn,
      removes: true,
      async ensure(_outputs, attempt) {
        try {
          const outcome =
            item.id === '' ? gone : await removeResource(deps, writes, jumpServer, item, attempt, ++looks);
          if (outcome.state !== 'ready') return outcome;
          // Deleting takes minutes: whoever took the lease over meanwhile may have made it again, and its row speaks of that.
          await attempt.permit();
          await forgetItem(deps, jumpServer, item.key);
          return outcome;
        } catch (error) {
          writes.forget(item.id);
          return afterError(error, ++errors);
        }
      },
    };
  });
}

async function forgetItem(deps: Deps, jumpServer: string, key: string): Promise<void> {
  const node = parseNodeKey(key);
  if (node !== undefined && (node.part === 'health' || node.part === 'networkInterface')) {
    await deleteReport(deps.tables, jumpServer, nodeName(jumpServer, node.number));
    await deleteNode(deps.tables, jumpServer, node.number);
  }
  await deleteInventory(deps.tables, jumpServer, key);
}

async function removeResource(
  deps: Deps,
  writes: Writes,
  jumpServer: string,
  item: InventoryItem,
  attempt: Attempt,
  looks: number,
): Promise<Outcome> {
  const apiVersion = apiVersions[item.type];
  if (apiVersion === undefined) throw new Error(`No API version is known for ${item.type}.`);
  const { resources } = deps.azure;
  const working: Outcome = { state: 'pending', detail: 'Azure is removing it', lookAgainSeconds: 2 };
  const sent = writes.find(item.id);
  // It need not be our deletion: the PUT of a provision that was canceled goes on, and makes what is to go.
  if (sent !== undefined) return (await attempt.within(sent)) === undefined ? working : lookAgain;
  const id = item.output.foundAt ?? item.id;
  const found = await orUndefinedIfMissing(deps.azure.resources.resources.getById(id, apiVersion));
  if (found === undefined || !isOurs(item, found.tags, jumpServer)) return gone;
  if (item.type === resourceGroupType && (await holdsOthers(deps, id))) {
    if (writes.hasWaited(id, lingering)) {
      writes.endWait(id);
      return leftBehind;
    }
    return { state: 'pending', detail: 'something is still in the group', lookAgainSeconds: nextLookSeconds(looks) };
  }
  await attempt.permit();
  const removal = writes.start(item.id, item.writeQueue, async () => {
    // The wait for the turn may have been long: ask once more.
    if (item.writeQueue !== undefined) await attempt.permit();
    await resources.resources.beginDeleteByIdAndWait(id, apiVersion);
  });
  return (await attempt.within(removal)) === undefined ? working : gone;
}

/** What can carry tags must carry ours. Children (peerings, zone groups) and role assignments cannot: the inventory answers for them. */
function isOurs(item: InventoryItem, tags: Record<string, string> | undefined, jumpServer: string): boolean {
  const untagged = item.type.split('/').length > 2 || item.type.startsWith('Microsoft.Authorization/');
  return untagged || tags?.[ownerTag] === jumpServer;
}

/** A group goes only when it is empty: deleting it would delete whatever else somebody put into it. */
async function holdsOthers(deps: Deps, groupId: string): Promise<boolean> {
  const group = groupId.split('/').at(-1) ?? '';
  for await (const _resource of deps.azure.resources.resources.listByResourceGroup(group)) return true;
  return false;
}
