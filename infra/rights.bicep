// What the control plane may do in the subscription, and nothing else: one role, with the types that a jump server is made of.
targetScope = 'subscription'

param principalId string

// The one role that may be given on: Key Vault Secrets User, to a jump server's nodes (shared/azure/roles.ts).
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'molcajete-control-plane')
  properties: {
    roleName: 'Molcajete control plane (${uniqueString(subscription().id)})'
    description: 'Makes, keeps and removes jump servers.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Resources/subscriptions/resourceGroups/write'
          'Microsoft.Resources/subscriptions/resourceGroups/delete'
          'Microsoft.Resources/subscriptions/resourceGroups/resources/read'
          'Microsoft.Network/networkSecurityGroups/*'
          'Microsoft.Network/virtualNetworks/*'
          'Microsoft.Network/ddosProtectionPlans/*'
          'Microsoft.Network/publicIPAddresses/*'
          'Microsoft.Network/loadBalancers/*'
          'Microsoft.Network/networkInterfaces/*'
          'Microsoft.Network/privateEndpoints/*'
          'Microsoft.Network/privateDnsZones/*'
          'Microsoft.Network/privateDnsOperationStatuses/read'
          'Microsoft.Network/privateDnsOperationResults/read'
          'Microsoft.Network/locations/*/read'
          'Microsoft.Compute/availabilitySets/*'
          'Microsoft.Compute/virtualMachines/*'
          'Microsoft.Compute/disks/*'
          'Microsoft.Compute/locations/*/read'
          'Microsoft.ManagedIdentity/userAssignedIdentities/*'
          'Microsoft.KeyVault/vaults/read'
          'Microsoft.KeyVault/vaults/write'
          'Microsoft.KeyVault/vaults/delete'
          'Microsoft.KeyVault/locations/*/read'
          'Microsoft.DBforMySQL/flexibleServers/*'
          'Microsoft.DBforMySQL/locations/*/read'
          'Microsoft.Authorization/roleAssignments/read'
          'Microsoft.Authorization/roleAssignments/write'
          'Microsoft.Authorization/roleAssignments/delete'
          'Microsoft.ResourceHealth/availabilityStatuses/read'
        ]
        // Secrets of its own vault and of each jump server's; no keys, no certificates, no purge.
        dataActions: [
          'Microsoft.KeyVault/vaults/secrets/readMetadata/action'
          'Microsoft.KeyVault/vaults/secrets/getSecret/action'
          'Microsoft.KeyVault/vaults/secrets/setSecret/action'
          'Microsoft.KeyVault/vaults/secrets/update/action'
          'Microsoft.KeyVault/vaults/secrets/recover/action'
          'Microsoft.KeyVault/vaults/secrets/delete'
        ]
      }
    ]
  }
}

// Without the condition the right to write role assignments would be the right to become owner.
// https://learn.microsoft.com/azure/role-based-access-control/delegate-role-assignments-examples
var assignments = 'Microsoft.Authorization/roleAssignments'
var onlySecretsUser = [
  '((!(ActionMatches{\'${assignments}/write\'})) OR (@Request[${assignments}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${secretsUser}} AND @Request[${assignments}:PrincipalType] StringEqualsIgnoreCase \'ServicePrincipal\'))'
  '((!(ActionMatches{\'${assignments}/delete\'})) OR (@Resource[${assignments}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${secretsUser}}))'
]

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, role.id)
  properties: {
    roleDefinitionId: role.id
    principalId: principalId
    principalType: 'ServicePrincipal'
    conditionVersion: '2.0'
    condition: join(onlySecretsUser, ' AND ')
  }
}
