import type { z } from 'zod';
import { checkScaling, highestCount, type Scaling } from './scaling/scalingSpec.ts';
import { type Complain, checkNetwork } from './specNetwork.ts';

interface Spec {
  network: Parameters<typeof checkNetwork>[0];
  web: { count: number };
  ingress: { hostname?: string | undefined; certificate?: object | undefined };
  database: { sku: string; highAvailability: string };
  scaling: Scaling;
  tags: Record<string, string>;
}

/** What one field's own schema cannot see: fields against each other, and Azure's limits on tags. */
export function refineSpec(spec: Spec, context: z.RefinementCtx): void {
  const complain: Complain = (path, message) => context.addIssue({ code: 'custom', path, message });
  checkNetwork(spec.network, highestCount(spec.scaling, spec.web.count), complain);
  checkIngress(spec.ingress, complain);
  checkScaling(spec.scaling, spec.web.count, complain);
  checkDatabase(spec.database, complain);
  checkTags(spec.tags, complain);
}

/** A certificate is checked for the name that users type. */
function checkIngress({ hostname, certificate }: Spec['ingress'], complain: Complain): void {
  if (certificate === undefined || hostname !== undefined) return;
  complain(
    ['ingress', 'hostname'],
    "must go with ingress.certificate: the name that users type and the certificate covers, such as 'jump.contoso.com'.",
  );
}

/** https://learn.microsoft.com/azure/mysql/flexible-server/concepts-high-availability#limitations */
function checkDatabase({ sku, highAvailability }: Spec['database'], complain: Complain): void {
  if (highAvailability !== 'Disabled' && sku.startsWith('Standard_B')) {
    complain(
      ['database', 'highAvailability'],
      `is not to be had on the Burstable ${sku}. Use a D or E size such as 'Standard_D2ads_v5', or 'Disabled'.`,
    );
  }
}

/** Tags of our own, `molcajete-…`, need room beside the user's; 50 fit on a resource. */
const mostTags = 45;

/** https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations */
function checkTags(tags: Record<string, string>, complain: Complain): void {
  const names = Object.keys(tags);
  if (names.length > mostTags) complain(['tags'], `may hold at most ${mostTags} tags, not ${names.length}.`);
  const lowered = names.map((name) => name.toLowerCase());
  names.forEach((name, index) => {
    const say = (message: string) => complain(['tags', name], message);
    if (!/^[^<>%&\\?/,]{1,128}$/.test(name))
      say('must have a name of 1 to 128 characters without < > % & \\ ? / and comma.');
    if (lowered.indexOf(name.toLowerCase()) < index) say('is there twice: Azure does not tell upper from lower case.');
    if (/^(molcajete-|hidden-|azure|microsoft|windows)/i.test(name))
      say('has a name that Azure or Molcajete keeps for itself.');
    if ((tags[name] ?? '').length > 256) say('may be at most 256 characters long.');
  });
  // Their names are remembered in one tag value, so that a tag taken out of the spec is taken off the resources.
  if (names.join(',').length > 256) complain(['tags'], 'have names that are together longer than 256 characters.');
}
