// The control plane itself: what `azd up` makes, once. Jump servers are made later, by the control plane.
targetScope = 'subscription'

@description('Name of the azd environment; part of the names of what is made.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Region of the control plane. Jump servers may be elsewhere.')
param location string

@description('Audiences of accepted tokens, comma-separated: application id URI of the app registration, then its client id. See docs/deploy.md.')
param apiAudience string

@description('Address space of the control plane\'s network, a /20 or larger. Each jump server takes one address of its endpoint subnet.')
param addressPrefix string = '10.0.0.0/20'

@description('Instances of the Functions app that are always warm. 0 is cheapest, 1 saves a cold start.')
@minValue(0)
@maxValue(5)
param alwaysReadyInstances int = 0

@description('Kind of the storage account. Standard_LRS where the region has no availability zones.')
@allowed(['Standard_ZRS', 'Standard_LRS', 'Standard_GZRS', 'Standard_GRS'])
param storageSku string = 'Standard_ZRS'

var tags = { 'azd-env-name': environmentName }
var suffix = uniqueString(subscription().id, environmentName, location)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'molcajete-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  scope: group
  params: { location: location, tags: tags }
}

module rights 'rights.bicep' = {
  params: { principalId: identity.outputs.principalId }
}

module monitoring 'monitoring.bicep' = {
  scope: group
  params: { location: location, tags: tags, principalId: identity.outputs.principalId }
}

module network 'network.bicep' = {
  scope: group
  params: { location: location, tags: tags, addressPrefix: addressPrefix }
}

module storage 'storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: 'molcajete${suffix}'
    sku: storageSku
    principalId: identity.outputs.principalId
  }
}

module vault 'vault.bicep' = {
  scope: group
  params: { location: location, tags: tags, name: 'molcajete-${suffix}' }
}

module functionApp 'functionApp.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: 'molcajete-${suffix}'
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    integrationSubnetId: network.outputs.integrationSubnetId
    alwaysReadyInstances: alwaysReadyInstances
    settings: {
      MOLCAJETE_API_AUDIENCE: apiAudience
      MOLCAJETE_TABLES_URL: storage.outputs.tablesUrl
      MOLCAJETE_VAULT_URL: vault.outputs.url
      MOLCAJETE_EGRESS: network.outputs.egress
      MOLCAJETE_ENDPOINT_SUBNET_ID: network.outputs.endpointSubnetId
      MOLCAJETE_DNS_ZONE_ID: network.outputs.dnsZoneId
      MOLCAJETE_RESOURCE_GROUP: group.name
    }
  }
  // The app starts by reading its tables: without the rights it would fail until they act.
  dependsOn: [rights]
}

output AZURE_RESOURCE_GROUP string = group.name
output MOLCAJETE_API_URL string = functionApp.outputs.apiUrl
output MOLCAJETE_EGRESS string = network.outputs.egress
