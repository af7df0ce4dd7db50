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
    // Secrets only: no keys, no certificates, no purge. In all vaults of the subscription, for a jump server's vault is made later and a role
    // cannot say whose a vault is. The local machine (npm start) runs with this very role.
    permissions: [loadJsonContent('rights.json')]
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
