/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
const builtInRoles = {
  /** Reads the contents of secrets. */
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
} as const;

export const roleDefinitionId = (subscriptionId: string, role: keyof typeof builtInRoles): string =>
  `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${builtInRoles[role]}`;
