param location string
param tags object
param name string
param identityId string
param identityClientId string
param storageAccountName string
param applicationInsightsConnectionString string
param integrationSubnetId string
param alwaysReadyInstances int

@description('Settings that come from the other modules; those that follow from where the app is are added here.')
param settings object

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: storageAccountName }

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  // azd deploys the service of this name here (azure.yaml).
  tags: union(tags, { 'azd-service-name': 'control-plane' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: integrationSubnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}packages'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'node', version: '22' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'durable', instanceCount: alwaysReadyInstances }]
      }
    }
    // Flex Consumption refuses most of siteConfig, ftpsState among it (error 51021); FTP is closed by the policies below.
    siteConfig: {
      minTlsVersion: '1.2'
      // Code + Test in the portal calls from the browser (docs/portal.md).
      cors: { allowedOrigins: ['https://portal.azure.com'] }
    }
  }

  // No basic authentication: packages are published with an Entra token.
  resource ftp 'basicPublishingCredentialsPolicies' = { name: 'ftp', properties: { allow: false } }
  resource scm 'basicPublishingCredentialsPolicies' = { name: 'scm', properties: { allow: false } }

  // Read by shared/config.ts; a test keeps the two in step.
  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, {
      AzureWebJobsStorage__accountName: storage.name
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      AZURE_SUBSCRIPTION_ID: subscription().subscriptionId
      AZURE_TENANT_ID: tenant().tenantId
      AZURE_CLIENT_ID: identityClientId
      MOLCAJETE_ISSUER: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
      MOLCAJETE_API_URL: 'https://${app.properties.defaultHostName}/api'
    })
  }
}

output apiUrl string = 'https://${app.properties.defaultHostName}/api'
