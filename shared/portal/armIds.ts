/** Resource group of an ARM id, in lower case; undefined for what is in none or in another subscription. Azure changes the case of ids at will. */
export function groupOf(id: string, subscriptionId: string): string | undefined {
  const [empty, subscriptions, subscription, groups, group] = id.toLowerCase().split('/');
  const here = empty === '' && subscriptions === 'subscriptions' && subscription === subscriptionId.toLowerCase();
  return here && groups === 'resourcegroups' && group !== '' ? group : undefined;
}
